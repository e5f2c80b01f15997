import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { getU32, putU32 } from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import { below } from "../../src/base/index.ts";
import { decodeLogStart, ENTRY_TYPE } from "../../src/log/index.ts";
import type { Entry, Log, LogStart, SideState } from "../../src/log/index.ts";

/** What is true before the first entry of a log. */
export interface Beginning {
  readonly firstIndex: number;
  readonly previousTerm: number;
  readonly nextOffset: number;
  readonly appendedAt: number;
  readonly logStart: LogStart;
  readonly sum: number;
}

/** A log without a disk: what it began with, and every entry since. */
export interface State {
  readonly beginning: Beginning;
  readonly entries: readonly Entry[];
}

export const emptyState: State = {
  beginning: {
    firstIndex: 1,
    previousTerm: 0,
    nextOffset: 0,
    appendedAt: 0,
    logStart: { index: 1, offset: 0, retentionBytes: 0, retentionMs: 0 },
    sum: 0,
  },
  entries: [],
};

/** A state above the log that depends on every entry and on their order. */
export class Sum implements SideState {
  value = 0;

  apply(entry: Entry): void {
    this.value = sumAfter(this.value, entry);
  }
  encode(): Uint8Array {
    const bytes = new Uint8Array(4);
    putU32(bytes, 0, this.value);
    return bytes;
  }
  restore(bytes: Uint8Array): void {
    this.value = bytes.length === 0 ? 0 : getU32(bytes, 0);
  }
}

function sumAfter(sum: number, entry: Entry): number {
  return crc32(entry.payload, (Math.imul(sum, 31) ^ entry.index) >>> 0);
}

/** The same state with only its first `count` entries. */
export function firstOf(state: State, count: number): State {
  return { ...state, entries: state.entries.slice(0, count) };
}

/** The place after the last entry. */
export function endOf({ beginning, entries }: State): {
  readonly index: number;
  readonly offset: number;
  readonly term: number;
  readonly appendedAt: number;
} {
  const last = entries.at(-1);
  return {
    index: beginning.firstIndex + entries.length,
    offset: last === undefined ? beginning.nextOffset : last.baseOffset + last.recordCount,
    term: last?.term ?? beginning.previousTerm,
    appendedAt: last?.appendedAt ?? beginning.appendedAt,
  };
}

export function logStartOf({ beginning, entries }: State): LogStart {
  const last = entries.findLast(({ type }) => type === ENTRY_TYPE.logStart);
  return last === undefined ? beginning.logStart : decodeLogStart(last.payload);
}

function sumOf({ beginning, entries }: State): number {
  return entries.reduce(sumAfter, beginning.sum);
}

/** What a log may hold after a crash: one of these states, with at least `floor` of its entries. */
export interface Candidate {
  readonly state: State;
  readonly floor: number;
}

/** The candidate that the log is, cut to what it holds. Throws when it is none. */
export function recognise(log: Log, sum: Sum, candidates: readonly Candidate[]): State {
  for (const { state, floor } of candidates) {
    const count = log.lastIndex - state.beginning.firstIndex + 1;
    if (count < floor || count > state.entries.length) continue;
    const found = firstOf(state, count);
    const end = endOf(found);
    const isSame = log.nextOffset === end.offset && log.lastTerm === end.term;
    if (isSame && sum.value === sumOf(found)) return found;
  }
  const allowed = candidates.map(({ state, floor }) => {
    const { firstIndex } = state.beginning;
    const least = endOf(firstOf(state, floor));
    const most = endOf(state);
    return `index ${firstIndex + floor - 1} to ${most.index - 1} (offset ${least.offset} to ${most.offset})`;
  });
  return assert.fail(
    `the log ends after index ${log.lastIndex} ` +
      `(offset ${log.nextOffset}, term ${log.lastTerm}, side state ${sum.value}); ` +
      `allowed: ${allowed.join(" or ")}`,
  );
}

/** Everything that can be asked of a log, asked, and compared. */
export async function checkWhole(log: Log, state: State, sum: Sum): Promise<void> {
  const end = endOf(state);
  assert.equal(log.lastIndex, end.index - 1, "last index");
  assert.equal(log.nextOffset, end.offset, "next offset");
  assert.equal(log.lastTerm, end.term, "last term");
  assert.equal(log.lastAppendedAt, end.appendedAt, "time of the last entry");
  assert.deepEqual(log.control.logStart, logStartOf(state), "log start");
  assert.equal(sum.value, sumOf(state), "side state");
  assert.ok(log.firstIndex >= state.beginning.firstIndex, "first index");
  await checkEntries(log, state);
  await checkBatches(log, state);
}

async function checkEntries(log: Log, state: State): Promise<void> {
  let index = log.firstIndex;
  while (index <= log.lastIndex) {
    const entries = await log.readEntries(index, { maxBytes: 700 });
    assert.ok(entries.length > 0, `entry ${index} is answered`);
    for (const entry of entries) assertEntryEqual(entry, entryAt(state, index++));
  }
  assert.deepEqual(await log.readEntries(index, { maxBytes: 700 }), [], "nothing past the end");
}

async function checkBatches(log: Log, state: State): Promise<void> {
  const limitOffset = endOf(state).offset;
  const expected = recordsFrom(state, log.lowestOffset);
  for (let offset = log.lowestOffset; offset < limitOffset;) {
    const batches = await log.readBatches(offset, { maxBytes: 700, limitOffset });
    assert.ok(batches.length > 0, `offset ${offset} is answered`);
    for (const batch of batches) {
      const entry = expected.shift();
      assert.ok(entry !== undefined && Buffer.compare(batch, entry.payload) === 0, `at ${offset}`);
      offset = entry.baseOffset + entry.recordCount;
    }
  }
  assert.deepEqual(expected, [], "every batch was read");
}

/** A few questions at random places. */
export async function probe(log: Log, state: State, random: Random): Promise<void> {
  const end = endOf(state);
  const limitOffset = end.offset;
  const lowest = log.lowestOffset;
  if (limitOffset > lowest) {
    const offset = lowest + below(random, limitOffset - lowest);
    const [expected] = recordsFrom(state, offset);
    const [batch] = await log.readBatches(offset, { maxBytes: 1, limitOffset });
    assert.ok(batch !== undefined && expected !== undefined);
    assert.equal(Buffer.compare(batch, expected.payload), 0, `the batch at ${offset}`);
    assertEntryEqual(await log.entryAt(offset), expected);
  }
  if (lowest > 0) {
    const below0 = log.readBatches(lowest - 1, { maxBytes: 1, limitOffset });
    await assert.rejects(below0, { code: "OFFSET_OUT_OF_RANGE" });
  }
  const index = log.firstIndex - 1 + below(random, end.index - log.firstIndex + 2);
  const term = index === end.index ? undefined : termAt(state, index);
  assert.equal(await log.termAt(index), term, `the term of ${index}`);
  await probeTime(log, state, random);
}

async function probeTime(log: Log, state: State, random: Random): Promise<void> {
  const some = state.entries[below(random, state.entries.length + 1)];
  const time = (some?.appendedAt ?? 0) + below(random, 3) - 1;
  const readable = state.entries.filter(
    ({ type, index }) => type === ENTRY_TYPE.records && index >= log.firstIndex,
  );
  const first = readable.find(({ appendedAt }) => appendedAt >= time);
  const expected = first && Math.max(first.baseOffset, log.lowestOffset);
  assert.equal(await log.offsetAtTime(time), expected, `the first offset of time ${time}`);
}

/** Entries of records that hold something at or above an offset. */
function recordsFrom({ entries }: State, offset: number): Entry[] {
  return entries.filter(
    ({ type, baseOffset, recordCount }) =>
      type === ENTRY_TYPE.records && baseOffset + recordCount > offset,
  );
}

function entryAt({ beginning, entries }: State, index: number): Entry | undefined {
  return entries[index - beginning.firstIndex];
}

function termAt(state: State, index: number): number | undefined {
  const { firstIndex, previousTerm } = state.beginning;
  return index === firstIndex - 1 ? previousTerm : entryAt(state, index)?.term;
}

const FIELDS = ["index", "term", "type", "baseOffset", "appendedAt", "recordCount"] as const;

function assertEntryEqual(found: Entry | undefined, expected: Entry | undefined): void {
  assert.ok(found !== undefined && expected !== undefined, "an entry is there");
  // Field by field: a deep comparison of everything would take most of the time.
  for (const field of FIELDS) assert.equal(found[field], expected[field], field);
  assert.equal(Buffer.compare(found.payload, expected.payload), 0, `payload of ${found.index}`);
}
