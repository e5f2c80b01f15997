import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/index.ts";
import { Ticker } from "./ticker.ts";

/** Time that passes when it is told to; what is due is called once, late when it is told late. */
class ManualClock implements Clock {
  time = 0;
  readonly #due: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const entry = { at: this.time + ms, run };
    this.#due.push(entry);
    return () => {
      const at = this.#due.indexOf(entry);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  /** One turn of an event loop at this time: timers that are due, not those that they set. */
  turn(time: number): void {
    this.time = time;
    const due = this.#due.filter(({ at }) => at <= time);
    for (const entry of due) this.#due.splice(this.#due.indexOf(entry), 1);
    for (const { run } of due) run();
  }
}

function ticking(): {
  readonly clock: ManualClock;
  readonly ticks: number[];
  readonly ticker: Ticker;
} {
  const clock = new ManualClock();
  const ticks: number[] = [];
  return { clock, ticks, ticker: new Ticker(clock, 10, () => void ticks.push(clock.time)) };
}

test("timers that are a little late cost no time in the end", () => {
  const { clock, ticks, ticker } = ticking();
  for (let time = 1; time <= 1_003; time += 3) clock.turn(time);
  assert.equal(ticks.length, 100);
  ticker.stop();
  clock.turn(5_000);
  assert.equal(ticks.length, 100);
});

test("after a pause it ticks once, after a turn for the sockets, and goes on from there", () => {
  const { clock, ticks } = ticking();
  clock.turn(10);
  clock.turn(5_000);
  assert.deepEqual(ticks, [10], "sockets are read first");
  clock.turn(5_000);
  assert.deepEqual(ticks, [10, 5_000]);
  clock.turn(5_009);
  clock.turn(5_010);
  assert.deepEqual(ticks, [10, 5_000, 5_010]);
});
