import { ProglogError } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry as LogEntry } from "../log/index.ts";
import type { Entry, Message } from "../raft/index.ts";
import { decodeConfigurationEntry } from "./configuration-entry.ts";

/**
 * The same entry has two shapes: the core's, an envelope whose payload it never looks at, and the
 * log's, with offset and time. An ordinary entry carries the log's shape as its payload; for the two
 * kinds that the core makes itself the log's shape is remembered beside it.
 */
const logShapes = new WeakMap<Entry, LogEntry>();

/** The core's shape of an entry of the log. Throws `UNSUPPORTED_FORMAT` for a change of unknown shape. */
export function toCore(entry: LogEntry): Entry {
  const { index, term } = entry;
  const sizeBytes = entry.payload.length;
  if (entry.type === ENTRY_TYPE.noop) {
    return remember({ kind: "noop", index, term, sizeBytes: 0, payload: undefined }, entry);
  }
  if (entry.type === ENTRY_TYPE.configuration) {
    const payload = decodeConfigurationEntry(entry.payload);
    return remember({ kind: "configuration", index, term, sizeBytes, payload }, entry);
  }
  return { kind: "normal", index, term, sizeBytes, payload: entry };
}

/** The log's shape of an entry of the core; undefined when it was not given its place yet. */
export function toLog(entry: Entry): LogEntry | undefined {
  return entry.kind === "normal" ? (entry.payload as LogEntry) : logShapes.get(entry);
}

/** Notes the log's shape of an entry that the core made. */
export function remember(entry: Entry, logEntry: LogEntry): Entry {
  logShapes.set(entry, logEntry);
  return entry;
}

/** What follows a place in the log, as far as it is known. */
export interface Place {
  readonly index: number;
  readonly nextOffset: number;
}

/**
 * Entries that came from another replica: refused (`CORRUPT_BATCH`) unless they continue each other,
 * and the place before them where that is known.
 */
export function checkReceived(entries: readonly LogEntry[], before: Place | undefined): void {
  let previous: LogEntry | undefined;
  for (const entry of entries) {
    const offset = previous ? previous.baseOffset + previous.recordCount : before?.nextOffset;
    const index = previous ? previous.index : before?.index;
    const continues =
      (offset === undefined || entry.baseOffset === offset) &&
      (index === undefined || entry.index === index + 1);
    if (!continues || !isWellFormed(entry)) {
      throw new ProglogError("CORRUPT_BATCH", `entry ${entry.index} does not continue the log`);
    }
    previous = entry;
  }
}

function isWellFormed({ type, recordCount, baseOffset, appendedAt }: LogEntry): boolean {
  return (
    type !== ENTRY_TYPE.fence &&
    recordCount > 0 === (type === ENTRY_TYPE.records) &&
    Number.isSafeInteger(baseOffset) &&
    Number.isSafeInteger(appendedAt)
  );
}

/** Whether a message of a leader changes the log. */
export function isAppending({ kind }: Message): boolean {
  return kind === "appendEntries" || kind === "installSnapshot";
}
