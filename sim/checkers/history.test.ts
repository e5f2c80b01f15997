/** The checker of histories against an exhaustive search, and against histories that were spoiled. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chance, seededRandom } from "../../src/base/index.ts";
import { checkHistory, type Operation } from "./history.ts";
import { isPossible } from "./testing/exhaustive.ts";
import { goodHistory, type HistoryMode, mutate } from "./testing/histories.ts";

const HISTORIES = 4_000;

for (const mode of ["attempts", "idempotent", "mixed"] as const) {
  describe(`histories, mode ${mode}`, () => {
    test("the checker and an exhaustive search agree on small ones", () => {
      const random = seededRandom(mode.length);
      const fired = new Map<string, number>();
      let refused = 0;
      for (let number = 0; number < HISTORIES; number++) {
        let history = goodHistory(random, 2 + (number % 7), mode);
        if (chance(random, 0.6)) history = mutate(random, history);
        if (chance(random, 0.2)) history = mutate(random, history);
        const violations = checkHistory(history);
        for (const { rule } of violations) fired.set(rule, (fired.get(rule) ?? 0) + 1);
        const possible = isPossible(history);
        assert.equal(violations.length === 0, possible, story(history, violations));
        if (!possible) refused += 1;
      }
      assert.ok(refused > HISTORIES / 10, `${refused} of ${HISTORIES} were impossible`);
      const rules = ["R1", "R2", "R3", "R4", "R5", ...(mode === "attempts" ? [] : ["I1"])];
      for (const rule of rules) assert.ok((fired.get(rule) ?? 0) > 20, `${rule} was broken`);
    });

    test("large good ones pass, and spoiled ones do not", () => {
      const good = largeHistory(mode);
      assert.deepEqual(checkHistory(good), []);
      for (const [what, spoil] of Object.entries(SPOILED)) {
        assert.notDeepEqual(checkHistory(spoil(good)), [], what);
      }
    });
  });
}

/** 300 appends one after the other, each read back from three replicas in the end. */
function largeHistory(mode: HistoryMode): Operation[] {
  const operations: Operation[] = [];
  let now = 0;
  for (let offset = 0; offset < 300; offset++) {
    const value = `v${offset}`;
    const idempotent = mode !== "attempts";
    const attempt = { kind: "append", value, idempotent } as const;
    if (idempotent && offset % 7 === 0) {
      const invokedAt = ++now;
      operations.push({ ...attempt, outcome: "info", invokedAt, returnedAt: Infinity });
    }
    const invokedAt = ++now;
    operations.push({ ...attempt, outcome: "ok", offset, invokedAt, returnedAt: ++now });
  }
  for (let round = 0; round < 3; round++) {
    for (let offset = 0; offset < 300; offset++) {
      const read = {
        kind: "read",
        offset,
        value: `v${offset}`,
        linearizable: round === 0,
      } as const;
      operations.push({ ...read, invokedAt: ++now, returnedAt: ++now });
    }
  }
  const tail = { kind: "tail", next: 300, linearizable: true } as const;
  operations.push({ ...tail, invokedAt: ++now, returnedAt: ++now });
  return operations;
}

type Spoil = (good: readonly Operation[]) => Operation[];

const onReads = (change: (read: Extract<Operation, { kind: "read" }>) => Operation): Spoil => {
  return (good) =>
    good.map((operation) => (operation.kind === "read" ? change(operation) : operation));
};
const onAppend = (offset: number, change: (append: Operation) => Operation): Spoil => {
  return (good) =>
    good.map((operation) =>
      operation.kind === "append" && operation.offset === offset ? change(operation) : operation,
    );
};

const SPOILED: Readonly<Record<string, Spoil>> = {
  "an acknowledged record is not there": onReads((read) =>
    read.offset === 150 ? { ...read, value: undefined, linearizable: true } : read,
  ),
  "two records have changed places": onReads((read) =>
    read.offset === 100 || read.offset === 101 ? { ...read, value: `v${201 - read.offset}` } : read,
  ),
  "one replica differs": (good) => {
    const at = good.findLastIndex((operation) => operation.kind === "read");
    return good.map((operation, i) =>
      i === at ? ({ ...operation, value: "v7" } as Operation) : operation,
    );
  },
  "a record was invented": onReads((read) =>
    read.offset === 40 ? { ...read, value: "nobody's" } : read,
  ),
  "an offset was used twice": onAppend(51, (append) => ({ ...append, offset: 50 }) as Operation),
  "a refused record is there": onAppend(
    60,
    (append) => ({ ...append, outcome: "fail" }) as Operation,
  ),
  "the end was short": (good) =>
    good.map((operation) => (operation.kind === "tail" ? { ...operation, next: 299 } : operation)),
  "the end was long": (good) =>
    good.map((operation) => (operation.kind === "tail" ? { ...operation, next: 301 } : operation)),
  "a read from the future": (good) => [
    { kind: "read", offset: 9, value: "v9", linearizable: false, invokedAt: 0.1, returnedAt: 0.2 },
    ...good,
  ],
  "a stale linearizable read": (good) => [
    ...good,
    {
      kind: "read",
      offset: 9,
      value: undefined,
      linearizable: true,
      invokedAt: 1e6,
      returnedAt: 2e6,
    },
  ],
};

function story(history: readonly Operation[], violations: readonly unknown[]): string {
  return `${JSON.stringify(history, null, 1)}\n${JSON.stringify(violations)}`;
}
