/** Every checker is shown what it has to refuse, and what it must let pass. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  checkDrain,
  checkNotVacuous,
  checkSequences,
  checkSessions,
  type LogFacts,
  LogStart,
  type StateFacts,
  Watch,
} from "./index.ts";

/** A log of these terms, from index 1, durable up to some entry. */
function logOf(terms: readonly number[], durableIndex = terms.length): LogFacts {
  return {
    firstIndex: 1,
    lastIndex: terms.length,
    durableIndex,
    termAt: (index) => (index === 0 ? 0 : terms[index - 1]),
  };
}

function state(role: StateFacts["role"], term: number, commit = 0, vote = 0): StateFacts {
  return { role, term, vote, commit, voters: [[1, 2, 3]] };
}

/** The rules that a story breaks, of three replicas whose logs are given. */
function broken(story: (watch: Watch) => void, logs: readonly LogFacts[] = []): string[] {
  const rules: string[] = [];
  story(
    new Watch(
      (rule) => rules.push(rule),
      (replica) => logs[replica - 1],
    ),
  );
  return [...new Set(rules)];
}

const entry = (index: number, term: number, digest = 7) => ({ index, term, digest });

describe("consensus", () => {
  test("I1: two leaders in a term", () => {
    const story = (second: number) => (watch: Watch) => {
      watch.observed(1, state("leader", 4, 0, 1), logOf([]));
      watch.observed(2, state("leader", second, 0, 2), logOf([]));
    };
    assert.deepEqual(broken(story(4)), ["I1"]);
    assert.deepEqual(broken(story(5)), []);
  });

  test("I2: two votes in a term, also over a restart", () => {
    const story = (candidate: number) => (watch: Watch) => {
      watch.voted(3, 6, 1);
      watch.restarted(3, state("follower", 5));
      watch.voted(3, 6, candidate);
    };
    assert.deepEqual(broken(story(2)), ["I2"]);
    assert.deepEqual(broken(story(1)), []);
  });

  test("I2: a leader voted for itself", () => {
    const story = (watch: Watch): void => {
      watch.voted(1, 6, 2);
      watch.observed(1, state("leader", 6, 0, 1), logOf([]));
    };
    assert.deepEqual(broken(story), ["I2"]);
  });

  test("I3: one index and term, two contents or two pasts", () => {
    const story = (digest: number, previousTerm: number) => (watch: Watch) => {
      watch.entry(entry(3, 2), 1);
      watch.entry(entry(3, 2, digest), previousTerm);
      watch.entry(entry(3, 3, 8), 1);
    };
    assert.deepEqual(broken(story(7, 1)), []);
    assert.deepEqual(broken(story(8, 1)), ["I3"]);
    assert.deepEqual(broken(story(7, 2)), ["I3"]);
  });

  test("I4: a later leader without what was committed; an earlier one may lack it", () => {
    const story = (term: number) => (watch: Watch) => {
      watch.applied(1, entry(1, 2), 3);
      watch.observed(2, state("leader", term), logOf([]));
    };
    assert.deepEqual(broken(story(4)), ["I4"]);
    assert.deepEqual(broken(story(3)), []);
  });

  test("I5: two things applied at one index, or a cut below what was applied", () => {
    const story = (term: number, cut: number) => (watch: Watch) => {
      watch.applied(1, entry(1, 2), 2);
      watch.applied(2, entry(1, term), 3);
      watch.truncated(2, cut);
    };
    assert.deepEqual(broken(story(2, 2)), []);
    assert.deepEqual(broken(story(3, 2)), ["I5"]);
    assert.deepEqual(broken(story(2, 1)), ["I5"]);
  });

  test("I5: committed, and durable on no majority", () => {
    const logs = (durable: number): LogFacts[] => [logOf([1]), logOf([1], durable), logOf([])];
    const story = (watch: Watch): void => {
      watch.observed(1, state("leader", 1, 1, 1), logOf([1]));
    };
    assert.deepEqual(broken(story, logs(1)), []);
    assert.deepEqual(broken(story, logs(0)), ["I5"]);
  });

  test("I6: terms, votes and commits that go back, applications with a gap", () => {
    const story = (next: StateFacts, index: number) => (watch: Watch) => {
      watch.observed(1, state("follower", 5, 1, 2), logOf([1, 1]));
      watch.observed(1, next, logOf([1, 1]));
      watch.applied(1, entry(1, 1), 5);
      watch.applied(1, entry(index, 1), 5);
    };
    assert.deepEqual(broken(story(state("follower", 5, 2, 2), 2)), []);
    assert.deepEqual(broken(story(state("follower", 4, 1, 2), 2)), ["I6"]);
    assert.deepEqual(broken(story(state("follower", 5, 1, 3), 2)), ["I6"]);
    assert.deepEqual(broken(story(state("follower", 5, 0, 2), 2)), ["I6"]);
    assert.deepEqual(broken(story(state("follower", 6, 1, 3), 3)), ["I6"]);
  });

  test("I2: a vote that the disk may still lose", () => {
    const story = (term: number, vote: number) => (watch: Watch) => {
      watch.voted(3, 6, 1, { term, vote });
    };
    assert.deepEqual(broken(story(6, 1)), []);
    assert.deepEqual(broken(story(7, 2)), []);
    assert.deepEqual(broken(story(6, 0)), ["I2"]);
    assert.deepEqual(broken(story(5, 1)), ["I2"]);
  });

  test("I3: acknowledged, and another entry at the leader", () => {
    const story = (leaders: readonly number[]) => (watch: Watch) => {
      watch.acknowledged(1, 2, logOf([1, 1]), logOf(leaders));
    };
    assert.deepEqual(broken(story([1, 1, 3])), []);
    assert.deepEqual(broken(story([1, 3, 3])), ["I3"]);
    assert.deepEqual(broken(story([1])), ["I3"]);
  });

  test("I7: acknowledged before it was durable", () => {
    assert.deepEqual(
      broken((watch) => watch.acknowledged(1, 2, logOf([1, 1], 2))),
      [],
    );
    assert.deepEqual(
      broken((watch) => watch.acknowledged(1, 2, logOf([1, 1], 1))),
      ["I7"],
    );
  });
});

describe("histories", () => {
  test("S1: a consumer's offsets are dense", () => {
    const session = (offsets: number[]) => [{ consumer: "c", from: 4, offsets }];
    assert.deepEqual(checkSessions(session([4, 5, 6])), []);
    for (const wrong of [[5], [4, 6], [4, 4], [4, 5, 4]]) {
      assert.equal(checkSessions(session(wrong)).length, 1, wrong.join());
    }
  });

  test("I2: a producer's sequences are dense in the order of offsets", () => {
    const record = (sequence: number, offset: number) => ({ producer: "p", sequence, offset });
    assert.deepEqual(checkSequences([record(1, 9), record(0, 3)]), []);
    assert.equal(checkSequences([record(0, 9), record(1, 3)]).length > 0, true);
    assert.equal(checkSequences([record(0, 3), record(2, 9)]).length > 0, true);
    assert.equal(checkSequences([record(0, 3), record(0, 9)]).length > 0, true);
  });

  test("D1: replicas are equal, complete, and hold what was acknowledged", () => {
    const holding = (replica: number, values: string[]) => ({ replica, from: 0, values });
    const both = (a: string[], b: string[], acknowledged = "b") =>
      checkDrain([holding(1, a), holding(2, b)], 2, new Map([[1, acknowledged]])).length;
    assert.equal(both(["a", "b"], ["a", "b"]), 0);
    assert.equal(both(["a", "b"], ["a"]) > 0, true);
    assert.equal(both(["a", "b"], ["x", "b"]) > 0, true);
    assert.equal(both(["a", "b"], ["a", "b"], "x") > 0, true);
    assert.equal(checkDrain([], 0, new Map([[0, "a"]])).length, 1);
  });

  test("D3, G4, I6: where a log begins", () => {
    const broken = (story: (start: LogStart) => void): string[] => {
      const rules: string[] = [];
      story(new LogStart((rule) => rules.push(rule)));
      return rules;
    };
    const play = (starts: readonly number[], ordered: number, next = 9) =>
      broken((start) => {
        start.ordered(ordered);
        for (const at of starts) start.observed(1, at, next);
      });
    assert.deepEqual(play([0, 3, 3, 5], 5), []);
    assert.deepEqual(play([3, 2], 5), ["I6"]);
    assert.deepEqual(play([6], 5), ["D3"]);
    assert.deepEqual(play([7], 9, 6), ["G4"]);
    const restart = (settled: number) =>
      broken((start) => {
        start.ordered(5);
        start.observed(1, 5, 9);
        start.restarted(1);
        start.observed(1, 3, 9);
        start.settled(1, settled);
      });
    assert.deepEqual(restart(5), []);
    assert.deepEqual(restart(3), ["I12"]);
  });

  test("D1: all replicas begin at the same record", () => {
    const holdings = [
      { replica: 1, from: 1, values: ["b"] },
      { replica: 2, from: 0, values: ["a", "b"] },
    ];
    assert.equal(checkDrain(holdings, 2, new Map()).length, 1);
  });

  test("V1: a run in which nothing happened is refused", () => {
    const tally = { acknowledged: 5, appends: 9, reads: 9, leaders: 1 };
    assert.deepEqual(checkNotVacuous(tally), []);
    for (const name of ["acknowledged", "appends", "reads", "leaders"] as const) {
      assert.notDeepEqual(checkNotVacuous({ ...tally, [name]: 0 }), [], name);
    }
  });
});
