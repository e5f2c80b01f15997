import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProglogError } from "../base/index.ts";
import type { AppendAnswer, AppendStream } from "../base/index.ts";
import { Answers } from "./answers.ts";
import { Proposal, ProposalQueue } from "./proposals.ts";

const overwritten = new ProglogError("UNAVAILABLE", "overwritten", { notAppended: true });
const lost = new ProglogError("UNAVAILABLE", "lost");

describe("what a leader had begun when it was replaced", () => {
  /** Appends at indexes 5, 6 and 7 in term 2, held; told when the log is committed as given. */
  function hold(): {
    readonly outcomes: string[];
    readonly stream: AppendStream;
    readonly commit: (terms: readonly (number | undefined)[], commitIndex: number) => void;
    readonly fail: () => void;
    readonly queue: ProposalQueue;
  } {
    const queue = new ProposalQueue();
    const answers = new Answers(queue);
    const outcomes: string[] = [];
    const stream: AppendStream = {};
    for (const index of [5, 6, 7]) {
      const note = (what: string): void => void outcomes.push(`${index} ${what}`);
      const content = { kind: "record", record: { value: null } } as const;
      const options = index === 7 ? { stream } : {};
      const proposal = new Proposal(
        content,
        1,
        options,
        () => note("is there"),
        (error) => note(error.message),
      );
      queue.push(proposal);
      queue.shift();
      const answer: AppendAnswer = {
        ...{ baseOffset: index, recordCount: 1, term: 2, timestampMs: 0, duplicate: false },
      };
      Object.assign(proposal, { answer, waitIndex: index });
      answers.add(proposal);
    }
    answers.hold(overwritten);
    const commit = (terms: readonly (number | undefined)[], commitIndex: number): void => {
      const termAt = (index: number): number | undefined => terms[index - 5];
      answers.resolveHeld({ commitIndex, termAt }, overwritten, lost);
      answers.commit(commitIndex);
    };
    return { outcomes, stream, commit, fail: () => answers.failHeld(lost), queue };
  }

  test("is there when the next leader commits it, one after the other", () => {
    const { outcomes, commit, queue } = hold();
    commit([2, 2, 2], 5);
    assert.deepEqual(outcomes, ["5 is there"]);
    commit([2, 2, 2, 3], 8);
    assert.deepEqual(outcomes, ["5 is there", "6 is there", "7 is there"]);
    assert.equal(queue.unanswered, 0);
  });

  test("is certainly not there when something else is in its place, or before it in a later term", () => {
    const { outcomes, commit } = hold();
    commit([2, 3], 6);
    assert.deepEqual(outcomes, ["5 is there", "6 overwritten", "7 overwritten"]);
  });

  test("stays open while what is committed is not of a later term", () => {
    const { outcomes, commit, fail, queue } = hold();
    commit([2, 2], 4);
    assert.deepEqual(outcomes, []);
    commit([2, 2], 6);
    assert.deepEqual(outcomes, ["5 is there", "6 is there"]);
    fail();
    assert.deepEqual(outcomes.slice(2), ["7 lost"]);
    assert.equal(queue.unanswered, 0);
  });

  test("has an unknown outcome where the log begins above it", () => {
    const { outcomes, commit } = hold();
    commit([undefined, undefined, undefined, undefined, 4], 9);
    assert.deepEqual(outcomes, ["5 lost", "6 lost", "7 lost"]);
  });

  test("lets nothing more in from its streams", () => {
    assert.equal(hold().stream.failed, overwritten);
  });
});
