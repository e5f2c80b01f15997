import { setTimeout as sleep } from "node:timers/promises";
import { ClusterClient } from "../../src/client/index.ts";
import type { ClusterMember, ClusterStatus } from "../../src/client/index.ts";
import type { Lab, Place } from "./lab.ts";

/** Who led from when on, as far as it was seen. */
export interface Leadership {
  readonly atMs: number;
  readonly leader: string;
  readonly term: number;
}

const LOOK_MS = 200;
const ASK_TIMEOUT_MS = 1_500;
/** Whoever was silent for longer is not taken for being there. */
const SILENT_MS_MAX = 2_000;

/**
 * Asks each server again and again for the state of the cluster, and keeps the last answers. Who does not
 * lead hands the question on, so that most answers are the leader's, and an answer says that a server serves.
 */
export class Watch {
  readonly leaderships: Leadership[] = [];
  readonly #lab: Lab;
  readonly #nowMs: () => number;
  readonly #last = new Map<number, ClusterStatus>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>[];

  constructor(lab: Lab, nowMs: () => number) {
    this.#lab = lab;
    this.#nowMs = nowMs;
    this.#running = lab.places.map((place) => this.#ask(place));
  }

  /** What a server that runs said last, or the leader by it; undefined: no answer the last time. */
  status(at: number): ClusterStatus | undefined {
    return this.#last.get(at);
  }

  /** Who leads in the newest term that anybody knows of; undefined when that is nobody who runs. */
  leader(): Place | undefined {
    const newest = this.#leaderStatus();
    return newest === undefined ? undefined : this.#lab.named(newest.answeredBy);
  }

  /** How far the log is committed, as the leader says; undefined: nobody leads. */
  commitIndex(): number | undefined {
    return this.#leaderStatus()?.commitIndex;
  }

  /** What the leader says of everybody. */
  members(): readonly ClusterMember[] {
    return this.#leaderStatus()?.members ?? [];
  }

  /**
   * Whether the leader counts a server's vote, hears it, and knows that it holds durably every entry up
   * to an index. Whether it is whole its files tell (`segment-reader.ts`).
   */
  hasCaughtUp(at: number, index: number): boolean {
    const { name } = this.#lab.place(at);
    const entries = this.members().filter((member) => member.name === name);
    const [member] = entries;
    return (
      entries.length === 1 &&
      member?.role === "voter" &&
      member.replicaId === this.#lab.replicaId(at) &&
      (member.matchedIndex ?? 0) >= index &&
      (member.silentMs ?? Infinity) < SILENT_MS_MAX
    );
  }

  async close(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#running);
  }

  /** Of those who say that they lead themselves, the one of the newest term. */
  #leaderStatus(): ClusterStatus | undefined {
    let newest: ClusterStatus | undefined;
    for (const status of this.#last.values()) {
      if (status.leader !== status.answeredBy) continue;
      if (newest === undefined || status.term > newest.term) newest = status;
    }
    return newest;
  }

  async #ask({ at, host }: Place): Promise<void> {
    const { signal } = this.#over;
    await using client = new ClusterClient(`ipv4:${host.rpcAddress}`, {
      timeoutMs: ASK_TIMEOUT_MS,
    });
    while (!signal.aborted) {
      const isRunning = this.#lab.place(at).server !== undefined;
      try {
        if (isRunning) this.#note(at, await client.ask("GetStatus", {}, { signal }));
        else this.#last.delete(at);
      } catch {
        this.#last.delete(at);
      }
      await sleep(LOOK_MS);
    }
  }

  #note(at: number, status: ClusterStatus): void {
    this.#last.set(at, status);
    const { leader, term, answeredBy } = status;
    if (leader !== answeredBy) return;
    if (term <= (this.leaderships.at(-1)?.term ?? 0)) return;
    this.leaderships.push({ atMs: this.#nowMs(), leader, term });
  }
}
