import assert from "node:assert/strict";
import {
  decodeBatch,
  encodeBatch,
  ProglogError,
  seededRandom,
  stampBatch,
} from "../../src/base/index.ts";
import type { Disk, LogOptions } from "../../src/log/index.ts";
import { encodeLogStart, ENTRY_TYPE, Log } from "../../src/log/index.ts";
import { ManualClock } from "./manual-clock.ts";

export const DIRECTORY = "/data/logs/default";

/** What must be true of the log, seen from outside: kept apart from the log itself. */
export interface Expected {
  /** The value at each offset. */
  readonly values: readonly string[];
  readonly lowest: number;
}

/** While an operation runs either state is right, and so is any length between the two. */
export interface Journal {
  before: Expected;
  after: Expected;
}

export function newJournal(): Journal {
  const nothing = { values: [], lowest: 0 };
  return { before: nothing, after: nothing };
}

export async function openOn(disk: Disk, options: Partial<LogOptions> = {}): Promise<Log> {
  return Log.open({
    directory: DIRECTORY,
    disk,
    random: seededRandom(7),
    clock: new ManualClock(),
    scrubBytesPerSecond: 0,
    freeBytesMin: 0,
    segmentBytesMax: 1500,
    tailCacheBytesMax: 0,
    ...options,
  });
}

export async function prepare(disk: Disk): Promise<void> {
  await disk.makeDirectory(DIRECTORY);
  for (const parent of ["/", "/data", "/data/logs"]) await disk.syncDirectory(parent);
}

/** Appends one batch to the pending group. */
export function appendBatch(log: Log, values: readonly string[]): void {
  const encoder = new TextEncoder();
  const payload = encodeBatch(
    values.map((value) => ({ value: encoder.encode(value) })),
    { nowMs: 1 },
  );
  stampBatch(payload, log.nextOffset, 1);
  log.append({
    index: log.lastIndex + 1,
    term: 1,
    type: ENTRY_TYPE.records,
    baseOffset: log.nextOffset,
    appendedAt: log.lastAppendedAt + 1,
    recordCount: values.length,
    payload,
  });
}

/**
 * A run through everything a log does: groups of one and of many, segments that end, idle fences,
 * cuts at the back and at the front, hard state, a clean stop and a second start.
 */
export class Workload {
  readonly #disk: Disk;
  readonly #journal: Journal;
  readonly #clock = new ManualClock();
  #serial = 0;
  #log: Log | undefined;

  constructor(disk: Disk, journal: Journal) {
    this.#disk = disk;
    this.#journal = journal;
  }

  async run(): Promise<void> {
    await this.#open();
    await this.#append([2]);
    await this.#append([1, 1, 1]);
    await this.#idle();
    for (let i = 0; i < 6; i++) await this.#append([3, 2]);
    await this.#cutBack();
    await this.#append([2, 2]);
    await this.#hardState();
    for (let i = 0; i < 6; i++) await this.#append([4]);
    await this.#cutFront();
    await this.#append([1]);
    await this.#close();
    await this.#open();
    await this.#append([2]);
    await this.#idle();
    await this.#append([1, 3]);
  }

  async #open(): Promise<void> {
    this.#log = await openOn(this.#disk, { clock: this.#clock });
  }

  get #open_(): Log {
    assert.ok(this.#log !== undefined);
    return this.#log;
  }

  /** Batches of the given sizes in one group. */
  async #append(sizes: readonly number[]): Promise<void> {
    const log = this.#open_;
    const { values, lowest } = this.#journal.before;
    const all = [...values];
    for (const size of sizes) {
      const batch = Array.from({ length: size }, () => this.#nextValue());
      all.push(...batch);
      this.#journal.after = { values: all, lowest };
      appendBatch(log, batch);
    }
    try {
      await log.sync();
    } catch (error) {
      // What had been durable before the disk was full stays.
      const kept = { values: all.slice(0, log.nextOffset), lowest };
      if (error instanceof ProglogError && error.notAppended) this.#journal.after = kept;
      throw error;
    }
    this.#done();
  }

  #nextValue(): string {
    const serial = this.#serial++;
    return `value ${serial} ${"x".repeat((serial * 7) % 90)}`;
  }

  async #idle(): Promise<void> {
    this.#clock.advance(1000);
    // The fence is written behind the back; the next operation waits for it.
    await this.#open_.sync();
  }

  /** Cuts off the last two entries, at a place that may lie in an earlier segment. */
  async #cutBack(): Promise<void> {
    const log = this.#open_;
    const from = log.lastIndex - 3;
    const [entry] = await log.readEntries(from, { maxBytes: 1 });
    assert.ok(entry !== undefined);
    const { values, lowest } = this.#journal.before;
    this.#journal.after = { values: values.slice(0, entry.baseOffset), lowest };
    await log.truncateBack(from);
    this.#done();
  }

  async #cutFront(): Promise<void> {
    const log = this.#open_;
    const offset = 12;
    const { values } = this.#journal.before;
    this.#journal.after = { values, lowest: offset };
    const start = log.logStartAt(offset);
    log.append({
      index: log.lastIndex + 1,
      term: 1,
      type: ENTRY_TYPE.logStart,
      baseOffset: log.nextOffset,
      appendedAt: log.lastAppendedAt,
      recordCount: 0,
      payload: encodeLogStart(start),
    });
    try {
      await log.sync();
    } catch (error) {
      if (error instanceof ProglogError && error.notAppended) {
        this.#journal.after = this.#journal.before;
      }
      throw error;
    }
    while ((await log.startAt(start)) > 0);
    this.#done();
  }

  async #hardState(): Promise<void> {
    await this.#open_.saveHardState({ ...this.#open_.hardState, term: 1, vote: 5 });
  }

  async #close(): Promise<void> {
    await this.#open_.close();
  }

  #done(): void {
    this.#journal.before = this.#journal.after;
  }
}

/** Reads a log from end to end, record by record. */
export async function readAll(log: Log): Promise<Expected> {
  const values: string[] = [];
  const decoder = new TextDecoder();
  const limitOffset = log.syncedOffset;
  let at = log.lowestOffset;
  while (at < limitOffset) {
    const batches = await log.readBatches(at, { maxBytes: 4096, limitOffset });
    assert.ok(batches.length > 0, `offset ${at} of ${limitOffset} is answered`);
    for (const batch of batches) {
      for (const record of decodeBatch(batch)) {
        if (record.offset < at) continue;
        assert.equal(record.offset, at, "offsets are dense");
        values[at++] = decoder.decode(record.value ?? undefined);
      }
    }
  }
  return { values, lowest: log.lowestOffset };
}

/** Whether what a log holds is one of the states that the journal allows. */
export function checkAllowed(found: Expected, next: number, journal: Journal): void {
  const { before, after } = journal;
  const lengths = [before.values.length, after.values.length];
  assert.ok(next >= Math.min(...lengths), `${next} records, ${lengths.join(" or ")} expected`);
  assert.ok(next <= Math.max(...lengths), `${next} records, ${lengths.join(" or ")} expected`);
  assert.ok([before.lowest, after.lowest].includes(found.lowest), `lowest is ${found.lowest}`);
  const longest = before.values.length > after.values.length ? before.values : after.values;
  for (let at = found.lowest; at < next; at++) {
    assert.equal(found.values[at], longest[at], `offset ${at}`);
  }
}
