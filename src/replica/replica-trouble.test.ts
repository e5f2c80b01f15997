import assert from "node:assert/strict";
import { test } from "node:test";
import { limits, ProglogError } from "../base/index.ts";
import type { AppendAnswer } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import { ProducerTable } from "./producers.ts";
import type { AppendStream } from "../base/index.ts";
import { Replica } from "./replica.ts";
import { FakeLog } from "./testing/fake-log.ts";
import { fixtureOptions, isPending, record, rejects, startFixture } from "./testing/harness.ts";

// --- trouble --------------------------------------------------------------------------------------

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
  log.automatic = true;
  await Promise.all([...sent, behind]);
  const answer = await free;
  assert.deepEqual([answer.baseOffset, answer.term], [0, 2], "led anew, as after a crash");
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

// --- callers that give up -------------------------------------------------------------------------

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
