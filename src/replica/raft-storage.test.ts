import assert from "node:assert/strict";
import { setImmediate as afterTurn } from "node:timers/promises";
import { describe, test } from "node:test";
import { limits, silentObserver } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import { ProducerTable } from "./producers.ts";
import { RaftStorage } from "./raft-storage.ts";
import { FakeLog } from "./testing/fake-log.ts";
import { FakeClock } from "./testing/harness.ts";

const ENTRIES = 40;
const PAYLOAD_BYTES = 100;
/** An entry is about a second. */
const RATE = PAYLOAD_BYTES;

/** A log that gives its entries four at a time, and tells which were asked for. */
class SlowLog extends FakeLog {
  override commitIndex: number = ENTRIES;
  readonly asked: number[] = [];

  override async readEntries(
    ...[fromIndex, options]: Parameters<FakeLog["readEntries"]>
  ): ReturnType<FakeLog["readEntries"]> {
    this.asked.push(fromIndex);
    return (await super.readEntries(fromIndex, options)).slice(0, 4);
  }
}

interface Behind {
  readonly clock: FakeClock;
  readonly log: SlowLog;
  readonly storage: RaftStorage;
  /** Asks as the core does for a follower; then everything that waits for no clock is done. */
  readonly ask: (index: number) => Promise<"unavailable" | "here">;
}

async function behind(): Promise<Behind> {
  const clock = new FakeClock();
  const log = new SlowLog(new ProducerTable());
  for (let index = 1; index <= ENTRIES; index++) {
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    const place = { index, term: 1, appendedAt: 1, baseOffset: index - 1, recordCount: 1 };
    log.entries.push({ type: ENTRY_TYPE.records, ...place, payload });
  }
  const { configuration, configurationIndex } = log.hardState;
  const initial = {
    ...{ hardState: { term: 1, vote: 0, commit: ENTRIES }, configuration, configurationIndex },
  };
  const storage = await RaftStorage.open(
    {
      ...{ log, clock, observer: silentObserver, catchUpBytesPerSecond: RATE },
      onAvailable: () => undefined,
    },
    initial,
    ENTRIES,
  );
  const ask = async (index: number): Promise<"unavailable" | "here"> => {
    const entries = storage.entries(index, ENTRIES + 1, limits.raftMessageBytesMax);
    await afterTurn();
    return typeof entries === "string" ? "unavailable" : "here";
  };
  return { clock, log, storage, ask };
}

describe("entries for a follower that is behind", () => {
  test("are read piece by piece, with a pause after each, in which nothing else is held up", async () => {
    const { clock, log, ask } = await behind();
    assert.equal(await ask(1), "unavailable");
    assert.deepEqual(log.asked, [1]);
    assert.equal(await ask(1), "here");
    assert.equal(await ask(5), "unavailable");
    assert.deepEqual(log.asked, [1], "the second piece waits");
    assert.equal(await ask(1), "here", "what is there can be had meanwhile");
    clock.advance(10_000);
    await afterTurn();
    assert.deepEqual(log.asked, [1, 5]);
    assert.equal(await ask(5), "here");
  });

  test("are read at once when appends begin to wait in the pause, and nothing is committed", async () => {
    const { clock, log, ask } = await behind();
    log.commitIndex = ENTRIES - 1;
    await ask(1);
    await ask(5);
    clock.advance(limits.catchUpStuckMs - 1);
    await afterTurn();
    assert.deepEqual(log.asked, [1]);
    clock.advance(1);
    await afterTurn();
    assert.deepEqual(log.asked, [1, 5]);
  });

  test("are not read any more when the log was cut, or closed, in the pause", async () => {
    for (const end of [
      (storage: RaftStorage) => storage.cut(30),
      (storage: RaftStorage) => storage.close(),
    ]) {
      const { clock, log, storage, ask } = await behind();
      await ask(1);
      await ask(5);
      end(storage);
      clock.advance(10_000);
      await afterTurn();
      assert.deepEqual(log.asked, [1]);
    }
  });
});
