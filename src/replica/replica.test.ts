import assert from "node:assert/strict";
import { setImmediate as afterTurn } from "node:timers/promises";
import { test } from "node:test";
import { decodeBatch, encodeBatch, limits, ProglogError, readBatchHeader } from "../base/index.ts";
import type { AppendAnswer, Configuration, ErrorCode } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { CommitLog } from "../server/commit-log.ts";
import { ProducerTable } from "./producers.ts";
import type { AppendStream } from "./proposals.ts";
import { Replica } from "./replica.ts";
import { FakeLog } from "./testing/fake-log.ts";
import { bytesOf, fixtureOptions, recordEntries, startFixture } from "./testing/harness.ts";

const record = { value: bytesOf("v") };

/** Rejects with this code, and with or without the word that nothing was appended. */
async function rejects(
  promise: Promise<unknown>,
  code: ErrorCode,
  notAppended: boolean,
): Promise<ProglogError> {
  const error = await promise.then(
    () => assert.fail(`resolved instead of ${code}`),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof ProglogError, String(error));
  assert.equal(`${error.code} ${error.notAppended}`, `${code} ${notAppended}`);
  return error;
}

/** Whether a promise is still waiting when everything that can run has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  for (let turn = 0; turn < 3; turn++) await afterTurn();
  return !settled;
}

const offsets = (answers: readonly AppendAnswer[]): number[] => answers.map((a) => a.baseOffset);

// --- start ---------------------------------------------------------------------------------------

test("an empty log is led in term 1, and its first entry is a no-op", async () => {
  const { log, replica } = await startFixture();
  assert.deepEqual(log.savedHardStates, [{ term: 1, vote: 7 }]);
  assert.equal(replica.term, 1);
  assert.deepEqual(
    log.entries.map(({ type, term, index }) => ({ type, term, index })),
    [{ type: ENTRY_TYPE.noop, term: 1, index: 1 }],
  );
  assert.equal(log.committedIndex, 1);
  assert.equal((await replica.append(record)).baseOffset, 0);
});

test("every later start raises the term before anything is appended", async () => {
  const producers = new ProducerTable();
  const log = new FakeLog(producers);
  for (const term of [1, 2, 3]) {
    const replica = await Replica.start({ ...fixtureOptions, log, producers });
    assert.equal((await replica.append(record)).term, term);
    await replica.close();
  }
  assert.deepEqual(
    log.savedHardStates.map(({ term }) => term),
    [1, 2, 3],
  );
});

test("what the log held before is committed at once", async () => {
  const producers = new ProducerTable();
  const log = new FakeLog(producers);
  await using first = await Replica.start({ ...fixtureOptions, log, producers });
  await first.append(record);
  await using second = await Replica.start({ ...fixtureOptions, log, producers });
  assert.equal(second.highWatermark, 1);
});

test("a log with other voters is not led alone", async () => {
  const other = { replicaId: 8, name: "two" };
  const prepare = (log: FakeLog): void => {
    const alone = log.control.configuration;
    const configuration: Configuration = { ...alone, voters: [...alone.voters, other] };
    Object.defineProperty(log, "control", { value: { ...log.control, configuration } });
  };
  await rejects(startFixture(prepare), "CONFIGURATION", false);
});

test("it is the commit log that the services ask for", async () => {
  const { replica } = await startFixture();
  const commitLog: CommitLog = replica;
  assert.equal(commitLog.name, "default");
  await commitLog.append(record, {});
  assert.deepEqual(commitLog.servers(), {
    clusterId: "c",
    term: 1,
    servers: [
      {
        id: "one",
        rpcAddress: "127.0.0.1:8400",
        httpAddress: "",
        isLeader: true,
        role: "voter",
        highWatermark: 1,
        fsyncRelaxed: false,
      },
    ],
  });
});

// --- groups and packing --------------------------------------------------------------------------

test("nothing is answered before it is durable", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const append = replica.append(record);
  await log.syncBegun();
  assert.ok(await isPending(append));
  assert.equal(replica.highWatermark, 0);
  log.endSync();
  const answer = { baseOffset: 0, recordCount: 1, term: 1, timestampMs: 1_000_000 };
  assert.deepEqual(await append, { ...answer, duplicate: false });
  assert.equal(replica.highWatermark, 1);
});

test("single records that arrive together share one batch, in order", async () => {
  const { log, replica } = await startFixture();
  const values = ["a", "b", "c", "d"];
  const appends = values.map((value) => replica.append({ value: bytesOf(value) }));
  assert.deepEqual(offsets(await Promise.all(appends)), [0, 1, 2, 3]);
  const [entry, ...more] = recordEntries(log);
  assert.ok(entry !== undefined && more.length === 0);
  assert.equal(entry.recordCount, 4);
  const decoded = decodeBatch(entry.payload);
  assert.deepEqual(
    decoded.map(({ offset, value }) => [offset, new TextDecoder().decode(value ?? undefined)]),
    values.map((value, offset) => [offset, value]),
  );
});

test("what arrives while a group is written shares the next one", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const first = replica.append(record);
  await log.syncBegun();
  const later = [replica.append(record), replica.append(record)];
  await afterTurn();
  later.push(replica.append(record));
  const before = log.syncCount;
  log.endSync();
  await first;
  await log.syncBegun();
  log.endSync();
  assert.deepEqual(offsets(await Promise.all(later)), [1, 2, 3]);
  assert.equal(log.syncCount, before + 1);
  assert.deepEqual(
    recordEntries(log).map(({ recordCount }) => recordCount),
    [1, 3],
  );
});

test("stamped and conditional records stand alone, and the order of arrival is kept", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("p");
  const answers = await Promise.all([
    replica.append(record),
    replica.append(record),
    replica.append(record, { stamp: { ...producer, sequence: 0 } }),
    replica.append(record),
    replica.append(record, { expectedOffset: 4 }),
    replica.appendBatch(encodeBatch([record, record], { nowMs: 5 })),
    replica.append(record),
  ]);
  assert.deepEqual(offsets(answers), [0, 1, 2, 3, 4, 5, 7]);
  assert.deepEqual(
    recordEntries(log).map(({ recordCount }) => recordCount),
    [2, 1, 1, 1, 2, 1],
  );
  assert.deepEqual(
    recordEntries(log).map(({ payload }) => readBatchHeader(payload).producerId),
    [-1, producer.id, -1, -1, -1, -1],
  );
});

test("batches and groups stay within their limits", async () => {
  const { log, replica } = await startFixture();
  const value = new Uint8Array(limits.recordBytesMax);
  const appends = Array.from({ length: 9 }, () => replica.append({ value }));
  const before = log.syncCount;
  assert.deepEqual(offsets(await Promise.all(appends)), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  for (const entry of recordEntries(log)) assert.ok(entry.payload.length <= limits.batchBytesMax);
  assert.equal(log.syncCount - before, 3, "three records of 1 MiB fit below 4 MiB");
});

test("one turn decides a bounded number, even of empty records", async () => {
  const { log, replica } = await startFixture();
  const appends = Array.from({ length: limits.groupProposalsMax + 1 }, () =>
    replica.append({ value: null }),
  );
  const before = log.syncCount;
  await Promise.all(appends);
  assert.equal(log.syncCount - before, 2);
  assert.deepEqual(
    recordEntries(log).map(({ recordCount }) => recordCount),
    [limits.groupProposalsMax, 1],
  );
});

test("base offset and leader epoch are stamped into a client's batch, and nothing else", async () => {
  const { log, replica } = await startFixture();
  await replica.append(record);
  const sent = encodeBatch([record, record], { nowMs: 77 });
  const original = sent.slice();
  const answer = await replica.appendBatch(sent);
  assert.deepEqual([answer.baseOffset, answer.recordCount], [1, 2]);
  const stored = recordEntries(log)[1]?.payload ?? new Uint8Array();
  assert.equal(readBatchHeader(stored).baseOffset, 1);
  assert.equal(readBatchHeader(stored).leaderEpoch, 1);
  assert.deepEqual(stored.subarray(16), original.subarray(16));
});

test("a record without a time gets the server's, and time never goes back", async () => {
  const { log, clock, replica } = await startFixture();
  const first = await replica.append(record);
  clock.ms -= 5_000;
  const second = await replica.append({ ...record, timestampMs: 123 });
  const third = await replica.append({ ...record, timestampMs: 0 });
  assert.deepEqual(
    [first, second, third].map(({ timestampMs }) => timestampMs),
    [1_000_000, 1_000_000, 1_000_000],
  );
  const times = recordEntries(log).map(({ payload }) => decodeBatch(payload)[0]?.timestampMs);
  assert.deepEqual(times, [1_000_000, 123, 1_000_000]);
});

test("the high watermark's listeners are told of each rise until they unsubscribe", async () => {
  const { replica } = await startFixture();
  const seen: number[] = [];
  const unsubscribe = replica.onCommit(() => seen.push(replica.highWatermark));
  await Promise.all([replica.append(record), replica.append(record)]);
  await replica.createProducer("p");
  await replica.append(record);
  unsubscribe();
  await replica.append(record);
  assert.deepEqual(seen, [2, 3]);
});

// --- idempotence ---------------------------------------------------------------------------------

test("the repetition of a committed batch gets the first answer", async () => {
  const { log, clock, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("p")), sequence: 0 };
  const batch = encodeBatch([record, record], { nowMs: 1, stamp });
  const first = await replica.appendBatch(batch.slice());
  clock.ms += 1_000;
  const entries = log.entries.length;
  assert.deepEqual(await replica.appendBatch(batch), { ...first, duplicate: true });
  assert.equal(log.entries.length, entries);
});

test("repetitions of a batch that is being written wait for it", async () => {
  const { log, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("p")), sequence: 0 };
  log.automatic = false;
  const together = [
    replica.append(record, { stamp }),
    replica.append(record, { stamp }),
    replica.append(record),
  ];
  await log.syncBegun();
  const later = replica.append(record, { stamp });
  assert.ok(await isPending(Promise.race([...together, later])));
  log.endSync();
  const [first, second, other] = await Promise.all(together);
  assert.deepEqual(second, { ...first, duplicate: true });
  assert.deepEqual([first?.duplicate, first?.baseOffset, other?.baseOffset], [false, 0, 1]);
  assert.deepEqual(await later, { ...first, duplicate: true });
  assert.equal(replica.highWatermark, 2);
});

test("a name taken over fences its earlier holder", async () => {
  const { replica } = await startFixture();
  const old = await replica.createProducer("p");
  await replica.append(record, { stamp: { ...old, sequence: 0 } });
  const next = await replica.createProducer("p");
  assert.deepEqual(next, { id: old.id, epoch: old.epoch + 1 });
  await rejects(
    replica.append(record, { stamp: { ...old, sequence: 1 } }),
    "PRODUCER_FENCED",
    true,
  );
  await replica.append(record, { stamp: { ...next, sequence: 0 } });
  assert.equal(replica.highWatermark, 2);
});

test("a takeover that is being written already fences", async () => {
  const { replica } = await startFixture();
  const old = await replica.createProducer("p");
  const [next, fenced] = await Promise.all([
    replica.createProducer("p"),
    rejects(replica.append(record, { stamp: { ...old, sequence: 0 } }), "PRODUCER_FENCED", true),
  ]);
  assert.equal(fenced.details["epoch"], "0");
  assert.equal(next.epoch, 1);
});

test("five batches of a producer are in flight, the sixth is refused and may come again", async () => {
  const { replica } = await startFixture();
  const producer = await replica.createProducer("");
  const send = (sequence: number): Promise<AppendAnswer> =>
    replica.append(record, { stamp: { ...producer, sequence } });
  const sent = [0, 1, 2, 3, 4].map(send);
  await rejects(send(5), "TOO_MANY_IN_FLIGHT", true);
  assert.deepEqual(offsets(await Promise.all(sent)), [0, 1, 2, 3, 4]);
  assert.equal((await send(5)).baseOffset, 5);
});

test("a refusal of a sequence waits for the batches that it was decided by", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("");
  log.automatic = false;
  const first = replica.append(record, { stamp: { ...producer, sequence: 0 } });
  const gap = replica.append(record, { stamp: { ...producer, sequence: 2 } });
  const refused = rejects(gap, "SEQUENCE_GAP", true);
  await log.syncBegun();
  assert.ok(await isPending(gap));
  log.endSync();
  await Promise.all([first, refused]);
});

test("unknown producers, gaps and forgotten sequences are refused, and nothing is appended", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("");
  const send = (sequence: number, id = producer.id): Promise<AppendAnswer> =>
    replica.append(record, { stamp: { ...producer, id, sequence } });
  for (let sequence = 0; sequence < 6; sequence++) await send(sequence);
  const entries = log.entries.length;
  await rejects(send(0, 4711), "UNKNOWN_PRODUCER", true);
  await rejects(send(7), "SEQUENCE_GAP", true);
  await rejects(send(0), "DUPLICATE_SEQUENCE", true);
  assert.equal(log.entries.length, entries);
});

// --- conditions ----------------------------------------------------------------------------------

test("of many appends for one offset exactly one wins, the others are told once it is sure", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const appends = Array.from({ length: 10 }, () => replica.append(record, { expectedOffset: 0 }));
  await log.syncBegun();
  assert.ok(await isPending(Promise.race(appends)));
  log.endSync();
  const settled = await Promise.allSettled(appends);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", ...Array<string>(9).fill("rejected")],
  );
  for (const result of settled.slice(1)) {
    assert.ok(result.status === "rejected");
    const error = await rejects(Promise.reject(result.reason as Error), "OFFSET_MISMATCH", true);
    assert.deepEqual(error.details, { expected: "0", next: "1" });
  }
});

test("a refusal that nothing pending has a part in is told without a write", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  await rejects(replica.append(record, { expectedOffset: 9 }), "OFFSET_MISMATCH", true);
});

test("a repetition is recognised before its condition is looked at", async () => {
  const { replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("")), sequence: 0 };
  const options = { stamp, expectedOffset: 0 };
  await replica.append(record, options);
  assert.equal((await replica.append(record, options)).duplicate, true);
});

test("behind a failed append of a stream nothing more of it is appended", async () => {
  const { log, replica } = await startFixture();
  const stream: AppendStream = {};
  const sent = [
    replica.append(record, { stream }),
    replica.append(record, { stream, expectedOffset: 5 }),
    replica.append(record, { stream }),
    replica.append(record),
  ];
  const results = Promise.allSettled(sent);
  const late = rejects(replica.append(record, { stream }), "OFFSET_MISMATCH", true);
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled"],
  );
  await late;
  await rejects(replica.append(record, { stream }), "OFFSET_MISMATCH", true);
  assert.equal(log.nextOffset, 2);
});

test("a batch that is malformed ends its stream as well", async () => {
  const { replica } = await startFixture();
  const stream: AppendStream = {};
  await rejects(replica.appendBatch(new Uint8Array(70), { stream }), "CORRUPT_BATCH", true);
  await rejects(replica.append(record, { stream }), "CORRUPT_BATCH", true);
});

// --- trouble -------------------------------------------------------------------------------------

test("when the log dies, what may be in it has an unknown outcome, and the rest is not in it", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const written = replica.append(record);
  const refused = replica.append(record, { expectedOffset: 77 });
  await log.syncBegun();
  const waiting = replica.append(record);
  log.die();
  await rejects(written, "STORAGE_FAILED", false);
  await rejects(refused, "STORAGE_FAILED", true);
  await rejects(waiting, "STORAGE_FAILED", true);
  await rejects(replica.append(record), "STORAGE_FAILED", true);
  assert.equal(replica.highWatermark, 0);
  assert.equal(replica.servers().servers[0]?.isLeader, false);
  await replica.close();
});

test("a log that died while nothing was appended fails the next append", async () => {
  const { log, replica } = await startFixture();
  log.die();
  await rejects(replica.append(record), "STORAGE_FAILED", false);
});

test("a full disk refuses the group, and appends go on when there is room", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("");
  const stamp = { ...producer, sequence: 0 };
  log.automatic = false;
  const stream: AppendStream = {};
  const sent = [
    replica.append(record),
    replica.append(record, { stamp }),
    replica.append(record, { stamp }),
    replica.append(record, { stream }),
  ].map((append) => rejects(append, "RESOURCE_EXHAUSTED", true));
  await log.syncBegun();
  const behind = rejects(replica.append(record, { stream }), "RESOURCE_EXHAUSTED", true);
  const free = replica.append(record);
  log.takeBack();
  await Promise.all([...sent, behind]);
  await log.syncBegun();
  log.endSync();
  assert.equal((await free).baseOffset, 0);
  log.automatic = true;
  const again = await replica.append(record, { stamp });
  assert.deepEqual([again.baseOffset, again.duplicate], [1, false]);
});

test("what was durable before the disk was full is answered", async () => {
  const { log, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("")), sequence: 0 };
  log.automatic = false;
  const kept = replica.append(record, { stamp });
  const lost = replica.append(record);
  const repeated = replica.append(record, { stamp });
  await log.syncBegun();
  log.takeBack(1);
  assert.equal((await kept).baseOffset, 0);
  await rejects(lost, "RESOURCE_EXHAUSTED", true);
  assert.equal((await repeated).baseOffset, 0);
  assert.equal(replica.highWatermark, 1);
});

test("below the reserve new data is refused; repetitions are answered, and room can be made", async () => {
  const { log, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("")), sequence: 0 };
  await replica.append(record, { stamp });
  await replica.append(record);
  log.refusal = new ProglogError("RESOURCE_EXHAUSTED", "nearly full", { notAppended: true });
  await rejects(replica.append(record), "RESOURCE_EXHAUSTED", true);
  await rejects(replica.createProducer("new"), "RESOURCE_EXHAUSTED", true);
  assert.equal((await replica.append(record, { stamp })).duplicate, true);
  await replica.deleteBefore(1);
  assert.equal(replica.lowestOffset, 1);
  log.refusal = undefined;
  assert.equal((await replica.append(record)).baseOffset, 2);
});

test("a disk that is full at the start delays the first entry, not the start", async () => {
  const producers = new ProducerTable();
  const log = new FakeLog(producers);
  log.automatic = false;
  const starting = Replica.start({ ...fixtureOptions, log, producers });
  await log.syncBegun();
  log.takeBack();
  const replica = await starting;
  assert.equal(replica.servers().servers[0]?.isLeader, false);
  const refused = rejects(replica.append(record), "RESOURCE_EXHAUSTED", true);
  await log.syncBegun();
  log.takeBack();
  await refused;
  log.automatic = true;
  assert.equal((await replica.append(record)).baseOffset, 0);
  assert.equal(log.entries[0]?.type, ENTRY_TYPE.noop);
});

test("too many waiting appends are refused, by bytes and by number, until some are answered", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const value = new Uint8Array(limits.recordBytesMax);
  const waiting: Promise<AppendAnswer>[] = [];
  for (let bytes = 0; bytes + value.length < limits.proposalsBytesMax; bytes += value.length) {
    waiting.push(replica.append({ value }));
  }
  await rejects(replica.append({ value }), "RESOURCE_EXHAUSTED", true);
  await log.syncBegun();
  log.automatic = true;
  log.endSync();
  await Promise.all(waiting);
  await replica.append({ value });

  const many = Array.from({ length: limits.proposalsMax }, () => replica.append({ value: null }));
  await rejects(replica.append({ value: null }), "RESOURCE_EXHAUSTED", true);
  await Promise.all(many);
  await replica.append({ value: null });
});

// --- callers that give up ------------------------------------------------------------------------

test("a signal that is aborted already keeps the append out", async () => {
  const { log, replica } = await startFixture();
  await rejects(replica.append(record, { signal: AbortSignal.abort() }), "CANCELLED", true);
  assert.equal(log.nextOffset, 0);
});

test("an abort ends the waiting, not the append", async () => {
  const { log, clock, replica } = await startFixture();
  log.automatic = false;
  const controller = new AbortController();
  const { signal } = controller;
  const written = replica.append(record, { signal });
  await log.syncBegun();
  const queued = replica.append(record, { signal });
  const other = replica.append(record);
  clock.advance(limits.abandonedSweepIntervalMs);
  assert.ok(await isPending(written));
  controller.abort(new DOMException("too late", "TimeoutError"));
  clock.advance(limits.abandonedSweepIntervalMs);
  await rejects(written, "DEADLINE_EXCEEDED", false);
  await rejects(queued, "DEADLINE_EXCEEDED", false);
  log.automatic = true;
  log.endSync();
  assert.equal((await other).baseOffset, 2);
  clock.advance(limits.abandonedSweepIntervalMs);
  assert.equal(clock.timerCount, 1, "only the retention timer is left");
});

test("close answers what was let in, refuses the rest and leaves nothing behind", async () => {
  const { log, clock, replica } = await startFixture();
  let calls = 0;
  replica.onCommit(() => (calls += 1));
  log.automatic = false;
  const append = replica.append(record, { signal: new AbortController().signal });
  await log.syncBegun();
  const closing = replica.close();
  await rejects(replica.append(record), "UNAVAILABLE", true);
  assert.ok(await isPending(closing));
  log.endSync();
  await append;
  await closing;
  await replica.close();
  assert.equal(calls, 1);
  assert.equal(clock.timerCount, 0);
});

// --- bad input -----------------------------------------------------------------------------------

test("bad arguments are refused before anything is decided", async () => {
  const { log, replica } = await startFixture();
  const bad = [
    replica.append(record, { expectedOffset: -1 }),
    replica.append(record, { expectedOffset: 1.5 }),
    replica.append(record, { stamp: { id: 1, epoch: 32_768, sequence: 0 } }),
    replica.append(record, { stamp: { id: 1, epoch: 0, sequence: 2_147_483_648 } }),
    replica.append(record, { stamp: { id: -1, epoch: 0, sequence: 0 } }),
    replica.append({ ...record, timestampMs: -5 }),
    replica.appendBatch(encodeBatch([record], { nowMs: 1 }), {
      stamp: { id: 1, epoch: 0, sequence: 0 },
    }),
    replica.createProducer("x".repeat(limits.producerNameBytesMax + 1)),
    replica.createProducer("\ud800"),
  ];
  for (const append of bad) await rejects(append, "INVALID_ARGUMENT", true);
  const value = new Uint8Array(limits.recordBytesMax + 1);
  await rejects(replica.append({ value }), "RECORD_TOO_LARGE", true);
  const batch = encodeBatch([record], { nowMs: 1 });
  batch[batch.length - 1] = 99;
  await rejects(replica.appendBatch(batch), "CORRUPT_BATCH", true);
  assert.equal(log.nextOffset, 0);
});

// --- reads ---------------------------------------------------------------------------------------

test("only what is committed is read", async () => {
  const { log, replica } = await startFixture();
  await replica.append(record);
  log.automatic = false;
  const append = replica.append(record);
  await log.syncBegun();
  assert.equal((await replica.read(0, 1000)).length, 1);
  assert.deepEqual(await replica.read(1, 1000), []);
  assert.deepEqual(replica.readCached(1, 1000), []);
  assert.equal(await replica.offsetAtTime(0), 0);
  assert.equal(replica.readCached(2, 1000), undefined);
  const error = await rejects(replica.read(2, 1000), "OFFSET_OUT_OF_RANGE", false);
  assert.deepEqual(error.details, { offset: "2", lowest: "0", highest: "0", next: "1" });
  log.endSync();
  await append;
  assert.equal((await replica.read(1, 1000)).length, 1);
});

test("a time that only uncommitted records reach has no offset", async () => {
  const { log, clock, replica } = await startFixture();
  await replica.append(record);
  clock.ms += 1_000;
  log.automatic = false;
  const append = replica.append(record);
  await log.syncBegun();
  assert.equal(await replica.offsetAtTime(clock.ms), undefined);
  log.endSync();
  await append;
  assert.equal(await replica.offsetAtTime(clock.ms), 1);
});

test("reads of nonsense and reads of nobody are refused", async () => {
  const { replica } = await startFixture();
  await rejects(replica.read(-1, 10), "INVALID_ARGUMENT", false);
  await rejects(replica.read(0.5, 10), "INVALID_ARGUMENT", false);
  const signal = AbortSignal.abort();
  await rejects(replica.read(0, 10, signal), "CANCELLED", false);
  await rejects(replica.readBarrier(signal), "CANCELLED", false);
  await rejects(replica.offsetAtTime(0, signal), "CANCELLED", false);
  await replica.readBarrier();
  for (const offset of [-1, NaN, 0.5]) assert.equal(replica.readCached(offset, 10), undefined);
});

// --- retention -----------------------------------------------------------------------------------

test("a change of the retention is an entry, once, and keeps where the log starts", async () => {
  const { log, replica } = await startFixture();
  await Promise.all([replica.append(record), replica.append(record)]);
  await replica.deleteBefore(1);
  await replica.setRetention({ retentionBytes: 5, retentionMs: 6 });
  const entries = log.entries.length;
  await replica.setRetention({ retentionBytes: 5, retentionMs: 6 });
  assert.equal(log.entries.length, entries);
  const start = { index: 1, offset: 1, retentionBytes: 5, retentionMs: 6 };
  assert.deepEqual(log.control.logStart, start);
  assert.deepEqual(log.startedAt.at(-1), start);
});

test("the log's start never moves back, and never beyond what is committed", async () => {
  const { log, replica } = await startFixture();
  await Promise.all([replica.append(record), replica.append(record), replica.append(record)]);
  await Promise.all([replica.deleteBefore(2), replica.deleteBefore(1)]);
  assert.equal(replica.lowestOffset, 2);
  const entries = log.entries.length;
  await replica.deleteBefore(1);
  assert.equal(log.entries.length, entries, "nothing to delete is no entry");
  await rejects(replica.deleteBefore(4), "OFFSET_OUT_OF_RANGE", false);
  await rejects(replica.read(1, 10), "OFFSET_OUT_OF_RANGE", false);
  assert.equal(log.startedAt.at(-1)?.offset, 2);
});

test("retention is looked at now and then, and goes on where it could not finish", async () => {
  const { log, clock, replica } = await startFixture();
  await replica.append(record);
  const passes = log.startedAt.length;
  clock.advance(limits.retentionIntervalMs);
  await afterTurn();
  assert.equal(log.startedAt.length, passes, "nothing to do");

  log.planned = { ...log.control.logStart, offset: 1 };
  log.segmentsLeft = 3;
  clock.advance(limits.retentionIntervalMs);
  await afterTurn();
  await afterTurn();
  assert.equal(replica.lowestOffset, 1);
  assert.equal(log.startedAt.length, passes + 1);

  log.planned = undefined;
  clock.advance(limits.retentionIntervalMs);
  await afterTurn();
  await afterTurn();
  assert.equal(log.startedAt.length, passes + 2, "the rest of the same log start");
  clock.advance(limits.retentionIntervalMs);
  await afterTurn();
  assert.equal(log.startedAt.length, passes + 2);
});
