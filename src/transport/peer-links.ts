import { limits } from "../base/index.ts";
import type { ConfigurationMember } from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import { PeerLink } from "./peer-link.ts";
import type { PeerLinkOptions } from "./peer-link.ts";
import type { PeerMessage } from "./peer-message.ts";

/** Links to all replicas that this one has to do with. */
export class PeerLinks<Entry extends { readonly payload: Uint8Array }> implements AsyncDisposable {
  readonly #options: PeerLinkOptions<Entry>;
  readonly #members = new Map<ReplicaId, PeerLink<Entry>>();
  /** Those who dialled us and are no members here, the longest known first. */
  readonly #learned = new Map<ReplicaId, PeerLink<Entry>>();
  readonly #closing = new Set<Promise<void>>();
  readonly #listeners = new Set<(replicaId: ReplicaId) => void>();
  #isClosed = false;

  constructor(options: PeerLinkOptions<Entry>) {
    this.#options = {
      ...options,
      onEnded: (member) => {
        options.onEnded?.(member);
        for (const listener of this.#listeners) listener(member.replicaId);
      },
    };
  }

  /** Calls back when a connection for data has ended; the result unsubscribes. */
  onEnded(listener: (replicaId: ReplicaId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whom to have links to, from now on; links to others are closed. */
  connect(members: readonly ConfigurationMember[]): void {
    if (this.#isClosed) return;
    const wanted = new Map(members.map((member) => [member.replicaId, member]));
    for (const [id, link] of this.#members)
      if (!wanted.has(id)) this.#drop(this.#members, id, link);
    for (const [id, member] of wanted) {
      if (this.#members.has(id)) continue;
      const known = this.#learned.get(id);
      this.#learned.delete(id);
      this.#members.set(id, known ?? new PeerLink(member, this.#options));
    }
  }

  /**
   * A way to answer somebody who has said hello: a replica that is being added does not know its
   * leader's configuration yet, and one that was removed is to be told so.
   */
  learn(member: ConfigurationMember): void {
    const { replicaId } = member;
    if (this.#isClosed || this.#members.has(replicaId) || this.#learned.has(replicaId)) return;
    this.#learned.set(replicaId, new PeerLink(member, this.#options));
    if (this.#learned.size <= limits.peersLearnedMax) return;
    for (const [id, link] of this.#learned) {
      this.#drop(this.#learned, id, link);
      return;
    }
  }

  /** Somebody was heard: the way back to him is dialled at once, if it is not there. */
  heard(replicaId: ReplicaId): void {
    (this.#members.get(replicaId) ?? this.#learned.get(replicaId))?.wake();
  }

  /** Says hello once more to those who are no members here: what it said of us has changed. */
  renewLearned(): void {
    if (this.#isClosed) return;
    for (const [id, link] of [...this.#learned]) {
      this.#drop(this.#learned, id, link);
      this.learn(link.member);
    }
  }

  /**
   * Takes a message on its way, without waiting; one to a stranger is dropped. `onLost` is told when it
   * certainly did not leave this server.
   */
  send(message: PeerMessage<Entry>, onLost?: () => void): void {
    const link = this.#members.get(message.to) ?? this.#learned.get(message.to);
    if (link !== undefined) {
      link.send(message, onLost);
      return;
    }
    this.#options.observer?.count("peer_messages_dropped_total");
    onLost?.();
  }

  /** Whether both connections to a replica are there. */
  isOpen(replicaId: ReplicaId): boolean {
    return (this.#members.get(replicaId) ?? this.#learned.get(replicaId))?.isOpen === true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const links of [this.#members, this.#learned]) {
      for (const [id, link] of links) this.#drop(links, id, link);
    }
    await Promise.all(this.#closing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #drop(links: Map<ReplicaId, PeerLink<Entry>>, id: ReplicaId, link: PeerLink<Entry>): void {
    links.delete(id);
    const closing: Promise<void> = link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
