/** The checkers of servers are shown what they have to refuse, and what they must let pass. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OneCluster, Participants, type Participation } from "./index.ts";

describe("one cluster", () => {
  const broken = (story: (checker: OneCluster) => void): string[] => {
    const rules: string[] = [];
    story(new OneCluster((rule) => rules.push(rule)));
    return rules;
  };

  test("B1: a name has one id, whoever says so, and other names have others", () => {
    const story = (clusterName: string) => (checker: OneCluster) => {
      assert.equal(checker.isMade, false);
      checker.belongs("a", "prod", "01");
      checker.belongs("a", "prod", "01");
      checker.belongs("b", clusterName, "02");
      assert.equal(checker.isMade, true);
    };
    assert.deepEqual(broken(story("prod")), ["B1"]);
    assert.deepEqual(broken(story("test")), []);
  });
});

describe("participants", () => {
  const member = (replicaId: number, name = `s${replicaId}`) => ({ replicaId, name });
  const sees = (commitIndex: number, voters: number[], learners: number[] = []): Participation => ({
    commitIndex,
    voters: voters.map((id) => member(id)),
    votersOutgoing: [],
    learners: learners.map((id) => member(id)),
  });
  const broken = (
    story: (see: (p: Participation, life?: number, server?: string) => void) => void,
    durableEnd: number | "nobody knows" = 0,
  ): string[] => {
    const rules: string[] = [];
    const checker = new Participants((rule) => rules.push(rule));
    story((participation, life = 1, server = "s1") =>
      checker.observed(server, life, participation, () =>
        durableEnd === "nobody knows" ? undefined : durableEnd,
      ),
    );
    return rules;
  };

  test("B2: who came in as a learner has what was committed then, before it votes", () => {
    const story = (see: (p: Participation) => void): void => {
      see(sees(90, [1, 2, 3]));
      see(sees(100, [1, 2, 3], [4]));
      see(sees(200, [1, 2, 3, 4]));
    };
    assert.deepEqual(broken(story, 99), ["B2"]);
    assert.deepEqual(broken(story, 100), []);
    // Its disk was lost: nobody can say what it had.
    assert.deepEqual(broken(story, "nobody knows"), []);
  });

  test("B2: who voted from the beginning is not asked", () => {
    assert.deepEqual(
      broken((see) => see(sees(50, [1, 2, 3]))),
      [],
    );
  });

  test("B3: one name, one vote", () => {
    const twice = { ...sees(5, [1, 2]), voters: [member(1), member(2, "x"), member(3, "x")] };
    assert.deepEqual(
      broken((see) => see(twice)),
      ["B3"],
    );
  });

  test("I12: who was removed does not come back; a server that starts again learns it anew", () => {
    const story = (life: number) => (see: (p: Participation, life?: number) => void) => {
      see(sees(1, [1, 2, 3]));
      see(sees(2, [1, 2]));
      see(sees(3, [1, 2], [3]), life);
    };
    assert.deepEqual(broken(story(1)), ["I12"]);
    assert.deepEqual(broken(story(2)), []);
  });
});
