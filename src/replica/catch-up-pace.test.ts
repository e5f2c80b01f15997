import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CatchUpPace } from "./catch-up-pace.ts";
import { FakeClock } from "./testing/harness.ts";

/** 100 bytes a second: a byte is ten milliseconds. */
const BYTES_PER_SECOND = 100;
/** Everything is committed. */
const AT_REST = { commitIndex: 1_000, lastIndex: 1_000 };

function paced(bytesPerSecond = BYTES_PER_SECOND): { clock: FakeClock; pace: CatchUpPace } {
  const clock = new FakeClock();
  return { clock, pace: new CatchUpPace(clock, bytesPerSecond) };
}

describe("the pace of catching up", () => {
  test("a pause follows each piece, as long as its bytes take at the rate", () => {
    const { clock, pace } = paced();
    assert.equal(pace.pauseMs(1, AT_REST), 0);
    pace.read(50);
    assert.equal(pace.pauseMs(2, AT_REST), 500);
    clock.advance(200);
    assert.equal(pace.pauseMs(2, AT_REST), 300);
    clock.advance(300);
    assert.equal(pace.pauseMs(2, AT_REST), 0);
  });

  test("time in which nobody was behind is not saved up", () => {
    const { clock, pace } = paced();
    clock.advance(60_000);
    pace.read(50);
    assert.equal(pace.pauseMs(2, AT_REST), 500);
  });

  test("two followers share the pauses, so that each gains as much as one alone", () => {
    const { clock, pace } = paced();
    pace.read(50);
    pace.read(50);
    assert.equal(pace.pauseMs(2, AT_REST), 500);
    clock.advance(500);
    pace.read(50);
    clock.advance(10);
    pace.read(50);
    assert.equal(pace.pauseMs(3, AT_REST), 490);
  });

  test("what the log grows by is read twice over, so that a follower gains on any writer", () => {
    const { pace } = paced();
    pace.grew(10);
    pace.read(50);
    assert.equal(pace.pauseMs(2, AT_REST), 300);
    pace.grew(25);
    pace.read(50);
    assert.equal(pace.pauseMs(2, AT_REST), 0);
  });

  test("what is not committed is read at once", () => {
    const { pace } = paced();
    pace.read(50);
    assert.equal(pace.pauseMs(11, { commitIndex: 10, lastIndex: 20 }), 0);
  });

  test("nothing is held up once something waits to be committed and nothing is", () => {
    const { clock, pace } = paced();
    const pauseAt = (afterMs: number, commitIndex: number): number => {
      clock.advance(afterMs);
      return pace.pauseMs(2, { commitIndex, lastIndex: 20 });
    };
    pace.read(100);
    assert.equal(pauseAt(0, 10), 1_000);
    assert.equal(pauseAt(50, 10), 950, "it may be under way");
    assert.equal(pauseAt(50, 10), 0, "it is stuck");
    assert.equal(pauseAt(50, 15), 850, "it goes on");
    assert.equal(pauseAt(50, 20), 800);
    assert.equal(pauseAt(200, 20), 600, "nothing waits");
  });

  test("without a rate there is no pause", () => {
    const { pace } = paced(0);
    pace.read(1_000_000);
    assert.equal(pace.pauseMs(2, AT_REST), 0);
  });
});
