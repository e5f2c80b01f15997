/** The newest entries in memory are those of the log, whatever was cut, dropped or replaced (B14). */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Entry } from "../raft/index.ts";
import { RaftTail } from "./raft-tail.ts";

const BYTES_MAX = 40;

function entry(index: number, term: number, sizeBytes: number): Entry {
  return { kind: "normal", index, term, payload: undefined, sizeBytes };
}

type Step = readonly [what: "push" | "cut" | "clear", number: number];

test("B14: every entry that it tells of is the one in the log, over any pushes and cuts", () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constant<"push">("push"), fc.integer({ min: 1, max: 30 })),
    },
    { weight: 2, arbitrary: fc.tuple(fc.constant<"cut">("cut"), fc.integer({ min: 0, max: 12 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant<"clear">("clear"), fc.constant(0)) },
  );
  fc.assert(
    fc.property(fc.array<Step>(step, { maxLength: 60 }), (steps) => {
      const tail = new RaftTail(BYTES_MAX);
      const log: Entry[] = [];
      let term = 1;
      for (const [what, number] of steps) {
        if (what === "push") {
          const next = entry(log.length + 1, term, number);
          log.push(next);
          tail.push(next);
        } else if (what === "cut") {
          const from = Math.max(1, log.length + 1 - number);
          log.length = from - 1;
          tail.cut(from);
          term += 1;
        } else tail.clear();
        check(tail, log);
      }
    }),
    { numRuns: 500 },
  );
});

function check(tail: RaftTail, log: readonly Entry[]): void {
  const first = tail.firstIndex ?? log.length + 1;
  for (let index = 0; index <= log.length + 1; index++) {
    const expected = index >= first ? log[index - 1] : undefined;
    assert.equal(tail.get(index), expected, `entry ${index} of ${log.length}, held from ${first}`);
  }
  const held = log.slice(first - 1);
  const bytes = held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  assert.ok(bytes <= BYTES_MAX || held.length === 1, `${bytes} bytes are held`);
  if (held.length === 0) return;
  assert.deepEqual(tail.slice(first, log.length + 1, 1_000), held);
  assert.deepEqual(tail.slice(first, log.length + 1, 1), held.slice(0, 1));
}
