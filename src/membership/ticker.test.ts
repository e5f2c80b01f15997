import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/index.ts";
import { Ticker } from "./ticker.ts";

/** Time that passes when it is told to; what is due is called once, late when it is told late. */
class ManualClock implements Clock {
  time = 0;
  timersSet = 0;
  readonly #due: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    this.timersSet += 1;
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

interface Ticking {
  readonly clock: ManualClock;
  readonly ticker: Ticker;
  /** When something due was done, by the clock. */
  readonly done: number[];
  /** How many ticks have passed. */
  readonly ticks: () => number;
  /** Something else comes between: due in so many ticks. */
  readonly soon: (ticks: number) => void;
}

/** Something is due each time after so many ticks. */
function ticking(every: number): Ticking {
  const clock = new ManualClock();
  let ticks = 0;
  let dueAt = every;
  const done: number[] = [];
  const ticker = new Ticker(clock, 10, {
    ticksUntilDue: () => Math.max(1, dueAt - ticks),
    pass: (count) => {
      assert.ok(ticks + count < dueAt, "what is due is not passed over");
      ticks += count;
    },
    expire: (count) => {
      ticks += count;
      for (; dueAt <= ticks; dueAt += every) done.push(clock.time);
    },
  });
  return { clock, ticker, done, ticks: () => ticks, soon: (count) => (dueAt = ticks + count) };
}

test("timers that are a little late cost no time in the end", () => {
  const { clock, done, ticks, ticker } = ticking(1);
  for (let time = 1; time <= 1_003; time += 3) clock.turn(time);
  assert.deepEqual([done.length, ticks()], [100, 100]);
  ticker.stop();
  clock.turn(5_000);
  assert.equal(ticks(), 100);
});

test("while nothing is due it sleeps", () => {
  const { clock, done, ticks } = ticking(20);
  for (let time = 1; time <= 1_000; time++) clock.turn(time);
  assert.deepEqual(done, [200, 400, 600, 800, 1_000]);
  assert.deepEqual([ticks(), clock.timersSet], [100, 6]);
});

test("what comes from outside finds the present, and may make something due sooner", () => {
  const { clock, ticker, done, ticks, soon } = ticking(100);
  clock.turn(555);
  assert.equal(ticks(), 0);
  ticker.sync();
  assert.equal(ticks(), 55);
  soon(3);
  ticker.arm();
  clock.turn(579);
  assert.deepEqual(done, []);
  clock.turn(580);
  assert.deepEqual([done, ticks()], [[580], 58]);
});

test("after a pause it does what was due, after a turn for the sockets, and goes on from there", () => {
  const { clock, ticker, done, ticks } = ticking(2);
  clock.turn(20);
  clock.turn(5_000);
  assert.deepEqual(done, [20], "sockets are read first");
  // What they bring is not too late: nothing that was due has been done.
  ticker.sync();
  assert.equal(ticks(), 3);
  clock.turn(5_000);
  assert.deepEqual([done, ticks()], [[20, 5_000], 4]);
  clock.turn(5_019);
  assert.equal(ticks(), 4);
  clock.turn(5_020);
  assert.deepEqual([done, ticks()], [[20, 5_000, 5_020], 6]);
});
