import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityOf,
  majorityVote,
} from "./quorum.ts";

const voters = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 });
const acks = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.nat(20));
const votes = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean());

describe("quorum", () => {
  test("any two majorities meet", () => {
    for (let count = 1; count < 20; count++) assert.ok(2 * majorityOf(count) > count);
  });

  test("what is committed is the highest index that a majority holds", () => {
    fc.assert(
      fc.property(voters, acks, (ids, acked) => {
        const index = majorityCommitted(ids, (id) => acked[id]);
        const holders = (at: number) => ids.filter((id) => (acked[id] ?? 0) >= at).length;
        if (ids.length === 0) return index === Infinity;
        const quorum = majorityOf(ids.length);
        return holders(index) >= quorum && holders(index + 1) < quorum;
      }),
    );
  });

  test("a joint index is held by majorities of both halves, in whichever order", () => {
    fc.assert(
      fc.property(voters, voters, acks, (one, two, acked) => {
        const lookup = (id: number) => acked[id];
        const joint = jointCommitted(one, two, lookup);
        assert.equal(joint, jointCommitted(two, one, lookup));
        assert.ok(joint <= majorityCommitted(one, lookup));
        assert.ok(joint <= majorityCommitted(two, lookup));
      }),
    );
  });

  test("a vote is won or lost exactly when the missing answers cannot change it", () => {
    fc.assert(
      fc.property(voters, votes, (ids, given) => {
        const result = majorityVote(ids, (id) => given[id]);
        const all = (missing: boolean) => majorityVote(ids, (id) => given[id] ?? missing);
        if (result === "won") assert.equal(all(false), "won");
        else if (result === "lost") assert.equal(all(true), "lost");
        else assert.deepEqual([all(true), all(false)], ["won", "lost"]);
      }),
    );
  });

  test("a joint vote needs both halves", () => {
    fc.assert(
      fc.property(voters, voters, votes, (one, two, given) => {
        const lookup = (id: number) => given[id];
        const halves = [majorityVote(one, lookup), majorityVote(two, lookup)];
        const joint = jointVote(one, two, lookup);
        assert.equal(
          joint === "won",
          halves.every((half) => half === "won"),
        );
        assert.equal(joint === "lost", halves.includes("lost"));
      }),
    );
  });
});
