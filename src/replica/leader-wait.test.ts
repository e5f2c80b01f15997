import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits, ProglogError } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { LeaderWait } from "./leader-wait.ts";
import type { LeaderView } from "./leader-wait.ts";

const ONE = { name: "one", replicaId: 1 };
const TWO = { name: "two", replicaId: 2 };
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

class View implements LeaderView {
  decides = false;
  leader: LeaderView["leader"] = ONE;
  #listener: () => void = () => assert.fail("nobody listens");
  onChange(listener: () => void): () => void {
    this.#listener = listener;
    return () => undefined;
  }
  become(leader: LeaderView["leader"], decides = false): void {
    this.leader = leader;
    this.decides = decides;
    this.#listener();
  }
}

/** A clock whose time the test makes, for one timer at a time. */
class TestClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  now = (): number => this.#nowMs;
  monotonic = (): number => this.#nowMs;
  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }
  pass(ms: number): void {
    this.#nowMs += ms;
    for (const { atMs, callback } of [...this.#timers]) if (atMs <= this.#nowMs) callback();
  }
  get timers(): number {
    return this.#timers.length;
  }
}

function notLeader(): ProglogError {
  return new ProglogError("NOT_LEADER", "not here", { notAppended: true });
}

/** An append at `server`, of which each attempt ends as the test says. */
class Attempts {
  count = 0;
  #ends: readonly (number | ProglogError)[];
  constructor(...ends: readonly (number | ProglogError)[]) {
    this.#ends = ends;
  }
  readonly next = async (): Promise<number> => {
    await Promise.resolve();
    const end = this.#ends[this.count++];
    if (end instanceof ProglogError) throw end;
    return end ?? assert.fail("one attempt too many");
  };
}

const codeOf = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => "ok",
    (error: unknown) => (error instanceof ProglogError ? error.code : String(error)),
  );

describe("an append that meets an election", () => {
  const begun = () => {
    const [view, clock] = [new View(), new TestClock()];
    return { view, clock, wait: new LeaderWait(view, clock) };
  };

  test("goes to the leader that follows, as soon as it is known", async () => {
    const { view, clock, wait } = begun();
    const attempts = new Attempts(notLeader(), notLeader(), 7);
    const answer = wait.run(attempts.next, {});
    await settled();
    view.become(undefined);
    await settled();
    assert.equal(attempts.count, 1, "nobody leads yet");
    view.become(TWO);
    await settled();
    assert.equal(attempts.count, 2);
    view.become(undefined, true);
    assert.equal(await answer, 7);
    assert.equal(clock.timers, 0);
  });

  test("does not wait for what has happened while it was under way", async () => {
    const { view, wait } = begun();
    const attempts = new Attempts(notLeader(), 7);
    const answer = wait.run(attempts.next, {});
    view.become(TWO);
    assert.equal(await answer, 7);
  });

  test("is told that nobody leads, when that lasts, or its caller is gone", async () => {
    const { clock, wait } = begun();
    const late = codeOf(wait.run(new Attempts(notLeader()).next, {}));
    const given = new AbortController();
    const { signal } = given;
    const abandoned = codeOf(wait.run(new Attempts(notLeader()).next, { signal }));
    await settled();
    given.abort();
    assert.equal(await abandoned, "NOT_LEADER");
    clock.pass(limits.leaderWaitMs);
    assert.equal(await late, "NOT_LEADER");
    assert.equal(clock.timers, 0);
  });

  test("waits so long in all, however often leadership moves", async () => {
    const { view, clock, wait } = begun();
    const attempts = new Attempts(notLeader(), notLeader());
    const answer = codeOf(wait.run(attempts.next, {}));
    await settled();
    clock.pass(limits.leaderWaitMs - 1);
    view.become(TWO);
    await settled();
    clock.pass(1);
    assert.equal(await answer, "NOT_LEADER");
    assert.equal(attempts.count, 2);
  });

  test("is not tried again when it may be in the log, or others came behind it", async () => {
    const { view, wait } = begun();
    const unknown = new ProglogError("NOT_LEADER", "perhaps");
    const open = codeOf(wait.run(new Attempts(unknown).next, {}));
    const lost = codeOf(wait.run(new Attempts(new ProglogError("UNAVAILABLE", "lost")).next, {}));
    const streamed = codeOf(wait.run(new Attempts(notLeader()).next, { stream: {} }));
    view.become(TWO);
    assert.deepEqual(await Promise.all([open, lost, streamed]), [
      "NOT_LEADER",
      "UNAVAILABLE",
      "NOT_LEADER",
    ]);
  });
});
