import { assert, ProglogError } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import type { Entry as LogEntry } from "../log/index.ts";
import type { Message, Raft, ReplicaId } from "../raft/index.ts";
import { checkReceived, toCore, toLog } from "./entries.ts";
import type { ReplicaTiming } from "./options.ts";
import type { Peers, RaftEnvelope, ReplicaPorts } from "./ports.ts";
import type { ReplicaLog } from "./replica-log.ts";

export interface MailParts extends Pick<ReplicaPorts, "peers" | "clock" | "observer"> {
  readonly name: string;
  readonly replicaId: ReplicaId;
  readonly core: () => Raft;
  readonly timing: ReplicaTiming;
  readonly log: Pick<ReplicaLog, "admission" | "space">;
  /** Where the record after an entry goes, as far as memory tells. */
  readonly offsetAfter: (index: number) => number | undefined;
}

const NO_ENTRIES: readonly LogEntry[] = [];

/**
 * The core's messages, out and in: what it knows as an entry travels in the log's own shape, with
 * offset and time, and is checked when it arrives. Remembers what the others have said of themselves.
 */
export class Mail {
  readonly #parts: MailParts;
  readonly #peers: Peers;
  readonly #freeBytes = new Map<ReplicaId, number>();
  readonly #heardAt = new Map<ReplicaId, number>();
  /** When followers were last sent a marker. */
  readonly #markersSentAt = new Map<ReplicaId, number>();
  readonly #startedAt: number;
  /** Since when this leader has listened without a break, and when it last did. */
  #listensSince: number;
  #listenedAt: number;

  constructor(parts: MailParts) {
    this.#parts = parts;
    this.#peers = parts.peers;
    this.#startedAt = parts.clock.monotonic();
    this.#listensSince = this.#startedAt;
    this.#listenedAt = this.#startedAt;
  }

  send(message: Message): void {
    const { from, to } = message;
    if (message.kind === "installSnapshot") {
      this.#markersSentAt.set(to, this.#parts.clock.monotonic());
    }
    const freeBytes = this.#freeBytesHere();
    const { name: log } = this.#parts;
    if (message.kind !== "appendEntries" || message.entries.length === 0) {
      this.#peers.send({ kind: "raft", log, from, to, freeBytes, message, entries: NO_ENTRIES });
      return;
    }
    const entries: LogEntry[] = [];
    for (const entry of message.entries) {
      const shape = toLog(entry);
      if (shape === undefined) {
        // Made by the core and cut again before it was handed out, in a turn that brought a newer
        // leader: it never had a place, and nobody listens to its term any more.
        assert(message.term < this.#parts.core().term, "an entry has its place before it is sent");
        return;
      }
      entries.push(shape);
    }
    const bare = { ...message, entries: [] };
    this.#peers.send({ kind: "raft", log, from, to, freeBytes, message: bare, entries });
  }

  /** Gives a message to the core, unless what came with it does not continue the log. */
  take(envelope: RaftEnvelope): void {
    const { from, message, entries, freeBytes } = envelope;
    if (message.from !== from) {
      this.#refused("address");
      return;
    }
    this.heard(from);
    this.#freeBytes.set(from, freeBytes);
    if (message.kind !== "appendEntries" || entries.length === 0) {
      this.#step(message);
      return;
    }
    try {
      const { previousIndex: index, previousTerm } = message;
      // Another entry in that place says nothing of what follows theirs: the core will refuse it, and
      // must get to, because its refusal is what leads the leader back to where the logs agree.
      const isShared = this.#parts.core().termAt(index) === previousTerm;
      const nextOffset = isShared ? this.#parts.offsetAfter(index) : undefined;
      checkReceived(entries, nextOffset === undefined ? undefined : { index, nextOffset });
      this.#step({ ...message, entries: entries.map(toCore) });
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.#refused(error.code);
    }
  }

  heard(from: ReplicaId): void {
    this.#heardAt.set(from, this.#parts.clock.monotonic());
  }

  /** How long nothing was heard of a replica, at most since this one has started. */
  silentMs(replicaId: ReplicaId): number {
    const since = this.#heardAt.get(replicaId) ?? this.#startedAt;
    return this.#parts.clock.monotonic() - since;
  }

  /**
   * How long this leader has listened for a replica and heard nothing. That is no silence from before it
   * led, when followers had no reason to speak to it, nor while this process stood still; and itself a
   * leader does not miss.
   */
  missedMs(replicaId: ReplicaId): number {
    if (replicaId === this.#parts.replicaId) return 0;
    const since = Math.max(this.#heardAt.get(replicaId) ?? 0, this.#listensSince);
    return Math.max(0, this.#listenedAt - since);
  }

  /**
   * The last index that a follower has acknowledged to this leader, as the core knows it: of two answers
   * the later one may be the earlier append's.
   */
  matched(replicaId: ReplicaId): number | undefined {
    const index = this.#parts.core().progress.get(replicaId)?.acknowledged ?? 0;
    return index === 0 ? undefined : index;
  }

  /** The least free space that one of the voters has told of since this replica leads. */
  freeBytesOf({ voters, votersOutgoing }: Configuration): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { replicaId } of [...voters, ...votersOutgoing]) {
      least = Math.min(least, this.#freeBytes.get(replicaId) ?? least);
    }
    return least;
  }

  /**
   * Time for the core. A marker that a follower still waits for after long must be taken for lost. An
   * answer in between says nothing about that: it may be to an append that left before the marker.
   */
  tick(): void {
    const core = this.#parts.core();
    core.tick();
    const { tickMs, electionTimeoutTicks } = this.#parts.timing;
    const electionMs = tickMs * electionTimeoutTicks;
    const now = this.#parts.clock.monotonic();
    this.#listen(now, electionMs);
    for (const [replicaId, sentAt] of this.#markersSentAt) {
      if (now - sentAt < 4 * electionMs) continue;
      this.#markersSentAt.delete(replicaId);
      core.reportSnapshot(replicaId, false);
    }
  }

  /** Another leadership: what was said to the last one no longer counts. */
  forget(): void {
    this.#freeBytes.clear();
    this.#markersSentAt.clear();
    this.#listensSince = this.#parts.clock.monotonic();
    this.#listenedAt = this.#listensSince;
  }

  /** Who was held up for long has heard nobody, whoever spoke. */
  #listen(now: number, heldUpMs: number): void {
    if (now - this.#listenedAt > heldUpMs) this.#listensSince = now;
    this.#listenedAt = now;
  }

  /** A follower decides nothing, so that only here its disk is asked now and then. */
  #freeBytesHere(): number {
    const { log } = this.#parts;
    log.admission();
    return log.space.freeBytes;
  }

  #step(message: Message): void {
    const result = this.#parts.core().step(message);
    if (result.kind === "refused") this.#refused(result.reason);
  }

  #refused(reason: string): void {
    this.#parts.observer.count("raft_messages_refused_total");
    this.#parts.observer.log("debug", "replica.message-refused", { reason });
  }
}
