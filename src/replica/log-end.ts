import type { Clock, Configuration } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry as LogEntry, PrefixMarker } from "../log/index.ts";
import type { Entry, StorageAppend } from "../raft/index.ts";
import { encodeConfigurationEntry } from "./configuration-entry.ts";
import { remember, toLog } from "./entries.ts";
import type { ReplicaLog } from "./replica-log.ts";

const NO_BYTES = new Uint8Array(0);

/** What storage knows of the part of the log that is durable. */
export interface StoredOffsets {
  lastIndex(): number;
  nextOffsetAfter(index: number): number | undefined;
}

/**
 * Where the log ends, with all that the core has handed out, durable or not: a leader's next entry
 * goes there. Gives offset and time to the entries that the core makes by itself.
 */
export class LogEnd {
  readonly #log: Pick<ReplicaLog, "lastIndex" | "nextOffset" | "lastAppendedAt">;
  readonly #clock: Clock;
  #index = 0;
  #nextOffset = 0;
  #appendedAt = 0;

  constructor(log: Pick<ReplicaLog, "lastIndex" | "nextOffset" | "lastAppendedAt">, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.restart();
  }

  /** The last index. */
  get index(): number {
    return this.#index;
  }

  /** The offset that the next record gets. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Now, as an entry says it: time never goes back in the log, whatever the clock does. */
  appendedAt(): number {
    return Math.max(this.#clock.now(), this.#appendedAt);
  }

  /** The end is the log's own again. */
  restart(): void {
    this.#index = this.#log.lastIndex;
    this.#nextOffset = this.#log.nextOffset;
    this.#appendedAt = this.#log.lastAppendedAt;
  }

  /** One entry more. */
  follow({ index, baseOffset, recordCount, appendedAt }: LogEntry): void {
    this.#index = index;
    this.#nextOffset = baseOffset + recordCount;
    this.#appendedAt = appendedAt;
  }

  /**
   * What the core wants made durable: the log ends with it now, whatever was there in its place.
   * Entries without a place are the leader's own, in `configuration`, and get one.
   */
  take({ entries, snapshot }: StorageAppend, configuration: Configuration): void {
    if (snapshot !== undefined) this.#begin(snapshot.data as PrefixMarker);
    for (const entry of entries) {
      let shape = toLog(entry);
      if (shape === undefined) {
        shape = this.#placed(entry, configuration);
        remember(entry, shape);
      }
      this.follow(shape);
    }
  }

  /** One past the last offset at or below an index, if that is known without the disk. */
  offsetAfter(index: number, storage: StoredOffsets): number | undefined {
    if (index === this.#index) return this.#nextOffset;
    const isDurable = index <= storage.lastIndex() && index < this.#index;
    return isDurable ? storage.nextOffsetAfter(index) : undefined;
  }

  #begin({ firstIndex, nextOffset, appendedAt }: PrefixMarker): void {
    this.#index = firstIndex - 1;
    this.#nextOffset = nextOffset;
    this.#appendedAt = appendedAt;
  }

  #placed(entry: Entry, configuration: Configuration): LogEntry {
    const { index, term } = entry;
    const isChange = entry.kind === "configuration";
    return {
      index,
      term,
      type: isChange ? ENTRY_TYPE.configuration : ENTRY_TYPE.noop,
      baseOffset: this.#nextOffset,
      appendedAt: this.appendedAt(),
      recordCount: 0,
      payload: isChange ? encodeConfigurationEntry(entry.payload, configuration) : NO_BYTES,
    };
  }
}
