import assert from "node:assert/strict";
import { test } from "node:test";
import { soleVoter } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry as LogEntry } from "../log/index.ts";
import type { StorageAppend } from "../raft/index.ts";
import { toCore } from "./entries.ts";
import { HardStateKeeper } from "./hard-state.ts";
import { Persister } from "./persister.ts";

/** A log that tells what was done to it, and whose syncs end when the test says so. */
class Recorder {
  readonly done: string[] = [];
  readonly entries: LogEntry[] = [];
  readonly syncs: (() => void)[] = [];
  readonly saves: (() => void)[] = [];
  hardState = {
    term: 1,
    vote: 0,
    configuration: soleVoter({ replicaId: 1, name: "one" }),
    configurationIndex: 0,
    installing: 0,
    damaged: false,
  };

  get lastIndex(): number {
    return this.entries.length;
  }
  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? 0;
  }
  get nextOffset(): number {
    return this.entries.length;
  }
  append(entry: LogEntry): void {
    this.done.push(`append ${entry.term}/${entry.index}`);
    this.entries.push(entry);
  }
  sync(): Promise<void> {
    return new Promise((resolve) => this.syncs.push(resolve));
  }
  truncateBack(fromIndex: number): Promise<void> {
    this.done.push(`cut ${fromIndex}`);
    this.entries.length = fromIndex - 1;
    return Promise.resolve();
  }
  reset(): Promise<void> {
    return Promise.resolve();
  }
  saveHardState({ term, vote }: { readonly term: number; readonly vote: number }): Promise<void> {
    this.done.push(`state ${term}/${vote}`);
    return new Promise((resolve) => this.saves.push(resolve));
  }
}

const task = (entries: readonly (readonly [term: number, index: number])[]): StorageAppend => ({
  hardState: undefined,
  snapshot: undefined,
  responses: [],
  entries: entries.map(([term, index]) =>
    toCore({
      index,
      term,
      type: ENTRY_TYPE.records,
      baseOffset: index - 1,
      appendedAt: 0,
      recordCount: 1,
      payload: new Uint8Array(1),
    }),
  ),
});

function start(): { log: Recorder; persister: Persister; durable: StorageAppend[] } {
  const log = new Recorder();
  const durable: StorageAppend[] = [];
  const persister = new Persister({
    log,
    hard: new HardStateKeeper(log),
    quiesce: () => Promise.resolve(),
    onDurable: (done) => durable.push(done),
    onFailed: (error) => assert.fail(error),
  });
  return { log, persister, durable };
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("tasks that only append share a sync, and are answered in order", async () => {
  const { log, persister, durable } = start();
  const tasks = [task([[1, 1]]), task([[1, 2]])];
  for (const each of tasks) persister.submit(each);
  assert.deepEqual(log.done, ["append 1/1", "append 1/2"]);
  await settled();
  assert.deepEqual(durable, []);
  for (const end of log.syncs) end();
  await settled();
  assert.deepEqual(durable, tasks);
  assert.ok(persister.isIdle);
});

test("a cut waits for the syncs before it, and what comes after waits for the cut (B12)", async () => {
  const { log, persister, durable } = start();
  const old = task([
    [1, 1],
    [1, 2],
  ]);
  const conflicting = task([[2, 2]]);
  const later = task([[2, 3]]);
  for (const each of [old, conflicting, later]) persister.submit(each);
  await settled();
  assert.deepEqual(log.done, ["append 1/1", "append 1/2"], "nothing is cut under a sync");
  log.syncs.shift()?.();
  await settled();
  assert.deepEqual(durable, [old], "a sync vouches for its own task alone");
  assert.deepEqual(log.done.slice(2), ["cut 2", "append 2/2"]);
  log.syncs.shift()?.();
  await settled();
  log.syncs.shift()?.();
  await settled();
  assert.deepEqual(durable, [old, conflicting, later]);
  assert.deepEqual(log.done.slice(4), ["append 2/3"]);
});

test("a vote is durable before the task's answers go, and after what came before (A1)", async () => {
  const { log, persister, durable } = start();
  const entries = task([[1, 1]]);
  const vote: StorageAppend = { ...task([]), hardState: { term: 3, vote: 2, commit: 0 } };
  persister.submit(entries);
  persister.submit(vote);
  await settled();
  assert.deepEqual(log.done, ["append 1/1"]);
  log.syncs.shift()?.();
  await settled();
  assert.deepEqual(log.done, ["append 1/1", "state 3/2"]);
  for (const end of log.syncs.splice(0)) end();
  await settled();
  assert.deepEqual(durable, [entries], "not before the vote is on the disk");
  log.saves.shift()?.();
  await settled();
  for (const end of log.syncs.splice(0)) end();
  await settled();
  assert.deepEqual(durable, [entries, vote]);
});

test("after a restart nothing that was under way is answered", async () => {
  const { log, persister, durable } = start();
  persister.submit(task([[1, 1]]));
  persister.restart();
  for (const end of log.syncs) end();
  await settled();
  assert.deepEqual(durable, []);
  assert.ok(persister.isIdle);
});

test("a task whose sync is answered early waits for those before it", async () => {
  const { log, persister, durable } = start();
  const tasks = [task([[1, 1]]), task([[1, 2]])];
  for (const each of tasks) persister.submit(each);
  log.syncs[1]?.();
  await settled();
  assert.deepEqual(durable, []);
  log.syncs[0]?.();
  await settled();
  assert.deepEqual(durable, tasks);
});
