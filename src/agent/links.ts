import type { Socket } from "node:net";
import { ProglogError } from "../base/index.ts";
import type { ConfigurationMember, Observer } from "../base/index.ts";
import { logWire } from "../log/index.ts";
import type { DataDirectory, Entry } from "../log/index.ts";
import type { Peers, Replica } from "../replica/index.ts";
import { PeerCalls, PeerLinks, PeerListener } from "../transport/index.ts";
import type {
  Hello,
  HelloAnswer,
  PeerIdentity,
  PeerMessage,
  PeerRole,
  Refused,
  Protocol,
} from "../transport/index.ts";
import type { PeerAddresses } from "./peer-addresses.ts";
import { peerDial } from "./peer-dial.ts";
import type { AgentPorts, PeerSecurity } from "./ports.ts";

/** The feature level up to which this build knows all types of entries. */
const FEATURE_LEVEL_MAX = 0;

export interface LinksOptions {
  readonly directory: DataDirectory;
  readonly log: string;
  readonly security: PeerSecurity;
  readonly addresses: PeerAddresses;
  readonly observer: Observer;
  /** The disk failed, or a peer says what this build does not know. */
  readonly onFailure: (error: ProglogError) => void;
  readonly ports?: AgentPorts | undefined;
}

/** Who hears of what others say of themselves. */
export interface LinksHandler {
  /** Somebody was asked who he is: he lets us in, or says why not. */
  answered(member: ConfigurationMember, answer: HelloAnswer): void;
  /** Comes into a cluster, unless this server's word binds it to another; false: it does. */
  readonly whenFree: (join: () => Promise<void>) => Promise<boolean>;
  /** What stands against somebody who says hello. */
  refuses(hello: Hello): Refused | undefined;
}

/**
 * This server's links to the others, both directions: who is let in, and what becomes of what they say.
 *
 * A server that belongs to no cluster comes into one by the first word of its leader: that the leader
 * speaks to it means that an entry which names it is committed. The cluster's id is durable before that
 * word is taken in.
 */
export class Links implements AsyncDisposable {
  /** Questions to other servers, and who answers theirs. */
  readonly calls: PeerCalls;
  readonly #options: LinksOptions;
  readonly #directory: DataDirectory;
  readonly #links: PeerLinks<Entry>;
  readonly #listener: PeerListener<Entry>;
  #replica: Replica | undefined;
  #handler: LinksHandler | undefined;
  #joining: Promise<void> | undefined;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#directory = options.directory;
    const { log, observer, addresses, security } = options;
    const identity = (): PeerIdentity => this.#identity();
    const { clock, random, dial = peerDial(security) } = options.ports ?? {};
    const shared = { identity, log, wire: logWire, observer, clock };
    this.#links = new PeerLinks<Entry>({
      ...shared,
      resolve: (member) => addresses.addressOf(member),
      dial,
      random,
      onUnreachable: ({ replicaId }) => this.#replica?.unreachable(replicaId),
      onAnswer: (member, answer) => this.#handler?.answered(member, answer),
    });
    this.calls = new PeerCalls({ links: this.#links, identity, log, clock, random, observer });
    this.#listener = new PeerListener<Entry>({
      ...shared,
      identify: (socket) => this.#identify(socket),
      refuses: (hello) => this.#handler?.refuses(hello),
      // Whoever speaks to us is to hear our answers, and is there to be dialled.
      onHello: ({ from: { name, replicaId } }) => {
        this.#links.learn({ name, replicaId });
        this.#links.heard(replicaId);
      },
      handle: (message, hello) => this.#take(message, hello),
      onFailure: (hello, error) => this.#notUnderstood(hello, error),
    });
  }

  /** For the port. */
  get protocol(): Protocol {
    return this.#listener.protocol;
  }

  /** For the replica, which says who takes part. */
  get peers(): Peers {
    return this.#links;
  }

  /** For those who ask questions. */
  get links(): PeerLinks<Entry> {
    return this.#links;
  }

  /** Ends the connections that a replica has dialled. */
  cut(replicaId: number): void {
    this.#listener.cut(({ from }) => from.replicaId === replicaId);
  }

  /** From now on what comes in is heard. */
  begin(replica: Replica, handler: LinksHandler): void {
    this.#replica = replica;
    this.#handler = handler;
  }

  /** Durably, and before anything of that cluster is taken in. */
  join(clusterId: string): Promise<void> {
    this.#joining ??= this.#join(clusterId);
    return this.#joining;
  }

  async close(): Promise<void> {
    this.calls.close();
    await Promise.all([this.#links.close(), this.#listener.close()]);
    await this.#joining?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #identity(): PeerIdentity {
    const { clusterName, clusterId, name, replicaId } = this.#directory.meta;
    const damaged = this.#replica?.status.damaged ?? false;
    const featureLevelMax = FEATURE_LEVEL_MAX;
    return { clusterName, clusterId, name, replicaId, featureLevelMax, damaged };
  }

  #identify(socket: Socket): PeerRole {
    const { security } = this.#options;
    if (security.context === undefined) return { kind: "anyPeer" };
    const peer = security.peerOf(socket);
    if (peer === "any") return { kind: "anyPeer" };
    if (peer !== undefined) return { kind: "peer", name: peer.name };
    return { kind: "refused", reason: "its certificate is no server's of this cluster" };
  }

  #take(message: PeerMessage<Entry>, hello: Hello): void | Promise<void> {
    if (message.kind === "call" || message.kind === "reply") {
      this.calls.receive(message, hello);
      return;
    }
    if (this.#directory.meta.clusterId !== "") {
      this.#replica?.receive(message);
      return;
    }
    const whenFree = this.#handler?.whenFree;
    if (whenFree === undefined || !isFromLeader(message)) return;
    const { clusterId } = hello.from;
    return whenFree(() => this.join(clusterId)).then(
      () => {
        // Leaders of two clusters may speak to us at once: the first one has us.
        if (this.#directory.meta.clusterId === clusterId) this.#replica?.receive(message);
      },
      (error: unknown) => this.#options.onFailure(ProglogError.from(error, "STORAGE_FAILED")),
    );
  }

  async #join(clusterId: string): Promise<void> {
    await this.#directory.joinCluster(clusterId);
    // They were dialled by a server without a cluster, to which nothing about a log is said.
    this.#links.renewLearned();
    // They were let in by one: any cluster was as good as another then.
    this.#listener.cut(({ from }) => from.clusterId !== "" && from.clusterId !== clusterId);
    this.#options.observer.log("info", "cluster.joined", { cluster_id: clusterId });
  }

  /** A type of entry that the leader knows and we do not may not be skipped. */
  #notUnderstood(hello: Hello | undefined, error: ProglogError): void {
    if (error.code !== "UNSUPPORTED_FORMAT" || hello === undefined) return;
    if (this.#replica?.status.leader === hello.from.replicaId) this.#options.onFailure(error);
  }
}

function isFromLeader(message: PeerMessage<Entry>): boolean {
  if (message.kind !== "raft") return false;
  const { kind } = message.message;
  return kind === "appendEntries" || kind === "heartbeat" || kind === "installSnapshot";
}
