import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeBatch, limits, ProglogError } from "../base/index.ts";
import type { ErrorCode, ProducerStamp } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry } from "../log/index.ts";
import { decodeProducerCreated, encodeProducerCreated } from "./producer-codec.ts";
import { ProducerTable } from "./producers.ts";

/** A log in memory that feeds a table, as the real one does. */
class Feed {
  readonly entries: Entry[] = [];
  readonly table: ProducerTable;
  #nextOffset = 0;

  constructor(table: ProducerTable = new ProducerTable()) {
    this.table = table;
  }

  get lastIndex(): number {
    return this.entries.length;
  }

  create(name = ""): { id: number; epoch: number } {
    const created = this.table.nextIdentity(name);
    const entry = this.#push(ENTRY_TYPE.producerCreated, 0, encodeProducerCreated(created));
    return { id: created.id === 0 ? entry.index : created.id, epoch: created.epoch };
  }

  records(recordCount: number, stamp?: ProducerStamp): Entry {
    const records = Array.from({ length: recordCount }, () => ({ value: null }));
    return this.#push(ENTRY_TYPE.records, recordCount, encodeBatch(records, { nowMs: 1, stamp }));
  }

  #push(type: Entry["type"], recordCount: number, payload: Uint8Array): Entry {
    const index = this.entries.length + 1;
    const baseOffset = this.#nextOffset;
    const entry = { index, term: 3, type, baseOffset, appendedAt: 1000, recordCount, payload };
    this.#nextOffset += recordCount;
    this.entries.push(entry);
    this.table.apply(entry);
    return entry;
  }
}

function decision(
  table: ProducerTable,
  stamp: ProducerStamp,
  recordCount = 1,
  committedIndex = Infinity,
): string | number {
  const decided = table.decide(stamp, recordCount, committedIndex);
  if (decided.kind === "append") return "append";
  if (decided.kind === "duplicate") return decided.batch.baseOffset;
  assert.ok(decided.error.notAppended);
  return decided.error.code;
}

test("a producer is named by the index of the entry that created it", () => {
  const feed = new Feed();
  feed.records(2);
  const producer = feed.create();
  assert.deepEqual(producer, { id: 2, epoch: 0 });
  assert.equal(decision(feed.table, { ...producer, sequence: 0 }), "append");
});

test("sequences run on: the next is appended, the last five are duplicates, others are refused", () => {
  const feed = new Feed();
  const producer = feed.create();
  for (let i = 0; i < 7; i++) feed.records(10, { ...producer, sequence: i * 10 });
  const at = (sequence: number, count = 10): string | number =>
    decision(feed.table, { ...producer, sequence }, count);
  assert.equal(at(70), "append");
  assert.deepEqual(
    [20, 30, 40, 50, 60].map((sequence) => at(sequence)),
    [20, 30, 40, 50, 60],
  );
  assert.equal(at(10), "DUPLICATE_SEQUENCE", "older than what is remembered");
  assert.equal(at(60, 9), "DUPLICATE_SEQUENCE", "the sequence of a batch of another size");
  assert.equal(at(65, 5), "DUPLICATE_SEQUENCE", "within a batch");
  assert.equal(at(80), "SEQUENCE_GAP");
});

test("a duplicate is answered with what the first attempt got", () => {
  const feed = new Feed();
  feed.records(4);
  const producer = feed.create();
  feed.records(3, { ...producer, sequence: 0 });
  const decided = feed.table.decide({ ...producer, sequence: 0 }, 3, 0);
  assert.ok(decided.kind === "duplicate");
  assert.deepEqual(decided.batch, {
    baseSequence: 0,
    recordCount: 3,
    baseOffset: 4,
    index: 3,
    term: 3,
    appendedAt: 1000,
  });
});

test("a producer that was never created, or an epoch that was never given, is unknown", () => {
  const feed = new Feed();
  const producer = feed.create("a");
  assert.equal(decision(feed.table, { id: 77, epoch: 0, sequence: 0 }), "UNKNOWN_PRODUCER");
  assert.equal(
    decision(feed.table, { id: producer.id, epoch: 1, sequence: 0 }),
    "UNKNOWN_PRODUCER",
  );
});

test("a known name keeps its id, raises the epoch, begins at 0 and fences the old epoch", () => {
  const feed = new Feed();
  const first = feed.create("a");
  feed.records(1, { ...first, sequence: 0 });
  const second = feed.create("a");
  assert.deepEqual(second, { id: first.id, epoch: 1 });
  assert.equal(decision(feed.table, { ...first, sequence: 1 }), "PRODUCER_FENCED");
  assert.equal(decision(feed.table, { ...first, sequence: 0 }), "PRODUCER_FENCED");
  assert.equal(decision(feed.table, { ...second, sequence: 1 }), "SEQUENCE_GAP");
  assert.equal(decision(feed.table, { ...second, sequence: 0 }), "append");
});

test("producers without a name never share an id", () => {
  const feed = new Feed();
  assert.notEqual(feed.create("").id, feed.create("").id);
});

test("a name whose epochs are used up goes on under a new id, and the old id is unknown", () => {
  const feed = new Feed();
  let last = feed.create("a");
  for (let epoch = 1; epoch <= 32_767; epoch++) last = feed.create("a");
  assert.deepEqual(last, { id: 1, epoch: 32_767 });
  const next = feed.create("a");
  assert.deepEqual(next, { id: feed.lastIndex, epoch: 0 });
  assert.equal(decision(feed.table, { ...last, sequence: 0 }), "UNKNOWN_PRODUCER");
  assert.equal(feed.table.size, 1);
});

test("five batches may be unanswered, the sixth is refused until the first is committed", () => {
  const feed = new Feed();
  const producer = feed.create();
  const first = feed.records(1, { ...producer, sequence: 0 });
  for (let i = 1; i < 5; i++) feed.records(1, { ...producer, sequence: i });
  const sixth = { ...producer, sequence: 5 };
  assert.equal(decision(feed.table, sixth, 1, first.index - 1), "TOO_MANY_IN_FLIGHT");
  assert.equal(
    decision(feed.table, { ...producer, sequence: 6 }, 1, first.index - 1),
    "TOO_MANY_IN_FLIGHT",
    "one behind the sixth may be repeated as well",
  );
  assert.equal(decision(feed.table, { ...producer, sequence: 0 }, 1, first.index - 1), 0);
  assert.equal(decision(feed.table, sixth, 1, first.index), "append");
});

test("sequences wrap from 2^31-1 to 0", () => {
  // Batches are small, so a table near the wrap is made by restoring one.
  const feed = new Feed();
  const producer = feed.create();
  feed.records(4, { ...producer, sequence: 0 });
  const bytes = feed.table.encode();
  const baseSequenceAt = 8 + 21;
  bytes.set([0xfd, 0xff, 0xff, 0x7f], baseSequenceAt);
  const table = new ProducerTable();
  table.restore(bytes);
  const at = (sequence: number, count = 4): string | number =>
    decision(table, { ...producer, sequence }, count);
  assert.equal(at(2_147_483_645), 0, "the batch 2^31-3..0 is a duplicate");
  assert.equal(at(1), "append");
  assert.equal(at(2), "SEQUENCE_GAP");
  assert.equal(at(0), "DUPLICATE_SEQUENCE");
  assert.equal(at(2_147_483_000), "DUPLICATE_SEQUENCE");
});

test("the longest unused producer is forgotten first, and its name with it", () => {
  const feed = new Feed(new ProducerTable(2));
  const a = feed.create("a");
  const b = feed.create("b");
  feed.records(1, { ...a, sequence: 0 });
  const c = feed.create("c");
  assert.equal(decision(feed.table, { ...b, sequence: 0 }), "UNKNOWN_PRODUCER");
  assert.equal(decision(feed.table, { ...a, sequence: 1 }), "append");
  assert.equal(decision(feed.table, { ...c, sequence: 0 }), "append");
  assert.equal(feed.create("b").epoch, 0);
  assert.equal(feed.table.size, 2);
});

test("an entry that would have been refused changes nothing", () => {
  const feed = new Feed();
  const producer = feed.create();
  feed.records(1, { ...producer, sequence: 0 });
  const before = feed.table.encode();
  feed.records(1, { ...producer, sequence: 5 });
  feed.records(1, { ...producer, epoch: 9, sequence: 1 });
  feed.records(1, { id: 1234, epoch: 0, sequence: 0 });
  feed.records(1);
  assert.deepEqual(feed.table.encode(), before);
});

test("the payload of a created producer is what the format says", () => {
  const payload = encodeProducerCreated({ id: 0x0102030405, epoch: 0x0607, name: "é" });
  assert.deepEqual([...payload], [5, 4, 3, 2, 1, 0, 0, 0, 7, 6, 2, 0, 0xc3, 0xa9]);
  assert.deepEqual(decodeProducerCreated(payload), { id: 0x0102030405, epoch: 0x0607, name: "é" });
  for (const bytes of [
    payload.subarray(0, 13),
    payload.subarray(0, 5),
    new Uint8Array(14).fill(255),
  ]) {
    assert.throws(() => decodeProducerCreated(bytes), isUnsupported);
  }
});

test("the bytes of a table are what the format says", () => {
  const feed = new Feed();
  feed.records(258);
  const producer = feed.create("é");
  feed.records(3, { ...producer, sequence: 0 });
  const u64 = (value: number): number[] => [value & 255, value >> 8, 0, 0, 0, 0, 0, 0];
  const batch = [0, 0, 0, 0, 3, 0, 0, 0, ...u64(258), ...u64(3), ...u64(3), ...u64(1000)];
  assert.deepEqual(
    [...feed.table.encode()],
    [1, 0, 0, 0, 1, 0, 0, 0, ...u64(2), ...u64(3), 0, 0, 2, 0, 1, 0xc3, 0xa9, ...batch],
  );
});

test("no bytes are the empty table, and the empty table has no bytes", () => {
  const feed = new Feed();
  assert.equal(feed.table.encode().length, 0);
  feed.create("a");
  feed.table.restore(new Uint8Array(0));
  assert.equal(feed.table.size, 0);
  assert.equal(feed.table.nextIdentity("a").id, 0);
});

test("a table of another version, cut short, too long or out of order is refused", () => {
  const feed = new Feed();
  const producer = feed.create("name");
  feed.records(1, { ...producer, sequence: 0 });
  feed.create("other");
  const bytes = feed.table.encode();
  const table = new ProducerTable();
  for (let length = 1; length < bytes.length; length++) {
    assert.throws(() => table.restore(bytes.subarray(0, length)), isUnsupported);
  }
  assert.throws(() => table.restore(new Uint8Array([...bytes, 0])), isUnsupported);
  assert.throws(() => table.restore(bytes.with(0, 2)), isUnsupported);
  assert.throws(() => table.restore(bytes.with(16, 9)), isUnsupported);
});

function isUnsupported(error: unknown): boolean {
  return error instanceof ProglogError && error.code === "UNSUPPORTED_FORMAT";
}

// --- against a model -----------------------------------------------------------------------------

type Action =
  | { readonly do: "create"; readonly name: string }
  | {
      readonly do: "append";
      readonly producer: number;
      readonly epochStep: number;
      readonly sequenceStep: number;
      readonly count: number;
    }
  | { readonly do: "commit"; readonly lag: number }
  | { readonly do: "unstamped" };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("create" as const),
      name: fc.constantFrom("", "a", "b", "c"),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      producer: fc.nat(8),
      epochStep: fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1),
      sequenceStep: fc.constantFrom(0, 0, 0, 0, 0, 0, -1, -2, -3, -8, 1),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("commit" as const), lag: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unstamped" as const) }) },
);

interface ModelProducer {
  readonly id: number;
  epoch: number;
  readonly name: string;
  /** Every batch of every epoch, for ever. */
  readonly appended: {
    epoch: number;
    sequence: number;
    count: number;
    offset: number;
    index: number;
  }[];
  lastIndex: number;
}

/** Says the same in the plainest way: the whole history, searched. */
class Model {
  producers: ModelProducer[] = [];
  committed = 0;
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  create(name: string, index: number): void {
    const known = this.producers.find((producer) => name !== "" && producer.name === name);
    if (known !== undefined) {
      known.epoch += 1;
      known.lastIndex = index;
      return;
    }
    this.producers.push({ id: index, epoch: 0, name, appended: [], lastIndex: index });
    if (this.producers.length <= this.#max) return;
    const oldest = Math.min(...this.producers.map((producer) => producer.lastIndex));
    this.producers = this.producers.filter((producer) => producer.lastIndex !== oldest);
  }

  decide(stamp: ProducerStamp, count: number): "append" | number | ErrorCode {
    const producer = this.producers.find(({ id }) => id === stamp.id);
    if (producer === undefined || stamp.epoch > producer.epoch) return "UNKNOWN_PRODUCER";
    if (stamp.epoch < producer.epoch) return "PRODUCER_FENCED";
    const mine = producer.appended.filter(({ epoch }) => epoch === stamp.epoch);
    const remembered = mine.slice(-limits.producerBatchesMax);
    const same = remembered.find((b) => b.sequence === stamp.sequence && b.count === count);
    if (same !== undefined) return same.offset;
    const expected = mine.reduce((sum, batch) => sum + batch.count, 0);
    if (stamp.sequence < expected) return "DUPLICATE_SEQUENCE";
    const unanswered = mine.filter(({ index }) => index > this.committed).length;
    if (unanswered >= limits.producerBatchesMax) return "TOO_MANY_IN_FLIGHT";
    return stamp.sequence === expected ? "append" : "SEQUENCE_GAP";
  }

  append(stamp: ProducerStamp, count: number, entry: Entry): void {
    const producer = this.producers.find(({ id }) => id === stamp.id);
    assert.ok(producer);
    const { epoch, sequence } = stamp;
    producer.appended.push({
      epoch,
      sequence,
      count,
      offset: entry.baseOffset,
      index: entry.index,
    });
    producer.lastIndex = entry.index;
  }
}

const PRODUCERS_MAX = 4;

/** Runs the actions on a table and on the model, which must agree at every step. */
function run(actions: readonly Action[]): Feed {
  const feed = new Feed(new ProducerTable(PRODUCERS_MAX));
  const model = new Model(PRODUCERS_MAX);
  const given: number[] = [999];
  for (const step of actions) {
    if (step.do === "create") {
      const created = feed.create(step.name);
      model.create(step.name, feed.lastIndex);
      const known = model.producers.find(({ id }) => id === created.id);
      assert.equal(known?.epoch, created.epoch);
      given.push(created.id);
    } else if (step.do === "commit") {
      model.committed = Math.max(model.committed, feed.lastIndex - step.lag);
    } else if (step.do === "unstamped") {
      feed.records(2);
    } else {
      const id = given[step.producer % given.length] as number;
      const known = model.producers.find((producer) => producer.id === id);
      const epoch = Math.max(0, (known?.epoch ?? 0) + step.epochStep);
      const next = (known?.appended ?? [])
        .filter((batch) => batch.epoch === epoch)
        .reduce((sum, batch) => sum + batch.count, 0);
      const stamp = { id, epoch, sequence: Math.max(0, next + step.sequenceStep) };
      const expected = model.decide(stamp, step.count);
      assert.equal(decision(feed.table, stamp, step.count, model.committed), expected);
      if (expected === "append") model.append(stamp, step.count, feed.records(step.count, stamp));
    }
  }
  return feed;
}

const someActions = fc.array(action, { maxLength: 120 });

test("decides as a search through the whole history would", () => {
  fc.assert(
    fc.property(someActions, (actions) => void run(actions)),
    { numRuns: 300 },
  );
});

test("a table that was encoded and restored, or replayed from anywhere, is the same", () => {
  fc.assert(
    fc.property(someActions, fc.nat(), (actions, cut) => {
      const { table, entries } = run(actions);
      const replayed = new ProducerTable(PRODUCERS_MAX);
      const at = cut % (entries.length + 1);
      for (const entry of entries.slice(0, at)) replayed.apply(entry);
      const restored = new ProducerTable(PRODUCERS_MAX);
      restored.restore(replayed.encode());
      for (const entry of entries.slice(at)) restored.apply(entry);
      assert.deepEqual(restored.encode(), table.encode());
      for (const entry of entries) {
        assert.deepEqual(restored.get(entry.index), table.get(entry.index));
        assert.deepEqual(restored.nextIdentity("a"), table.nextIdentity("a"));
      }
    }),
    { numRuns: 300 },
  );
});
