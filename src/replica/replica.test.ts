import assert from "node:assert/strict";
import { setImmediate as afterTurn } from "node:timers/promises";
import { test } from "node:test";
import {
  decodeBatch,
  encodeBatch,
  limits,
  readBatchHeader,
  silentObserver,
} from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { CommitLog } from "../server/commit-log.ts";
import { ProducerTable } from "./producers.ts";
import { Replica } from "./replica.ts";
import { FakeLog } from "./testing/fake-log.ts";
import {
  bytesOf,
  fixtureOptions,
  isPending,
  offsets,
  record,
  recordEntries,
  rejects,
  startFixture,
} from "./testing/harness.ts";

// --- start ----------------------------------------------------------------------------------------

test("an empty log is led in term 1, and its first entry is a no-op", async () => {
  const { log, replica } = await startFixture();
  assert.deepEqual(log.savedHardStates, [], "the vote in term 1 came with the log");
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
    [2, 3],
  );
});

test("what happens to it is told under names of one form", async () => {
  const producers = new ProducerTable();
  const told: string[] = [];
  const observer = { ...silentObserver, log: (_: unknown, name: string) => void told.push(name) };
  const log = new FakeLog(producers);
  await using replica = await Replica.start({ ...fixtureOptions, log, producers, observer });
  await replica.append(record);
  assert.ok(told.includes("replica.became-leader"), told.join());
  for (const name of told) assert.match(name, /^[a-z]+(\.[a-z]+(-[a-z]+)*)+$/);
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
    Object.defineProperty(log, "hardState", { value: { ...log.hardState, configuration } });
  };
  const { log, replica } = await startFixture(prepare);
  assert.equal(replica.status.role, "follower");
  await rejects(replica.append(record), "NOT_LEADER", true);
  assert.equal(log.entries.length, 0);
  await replica.close();
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

// --- groups and packing ---------------------------------------------------------------------------

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

// --- reads ----------------------------------------------------------------------------------------

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

// --- retention ------------------------------------------------------------------------------------

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
