/** The judgement of a run, shown histories that no one log can have. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Drained } from "./drain.ts";
import { judge } from "./judge.ts";
import { History, nameOf, textOf } from "./load/history.ts";
import { checkVacuity, figuresOf } from "./outcome.ts";

const rulesOf = (history: History, drained?: Drained): string[] => [
  ...new Set(judge(history, drained).map(({ rule }) => rule)),
];

/** Two producers' records, acknowledged one after another and read by somebody. */
function goodHistory(): History {
  const history = new History();
  for (let offset = 0; offset < 10; offset++) {
    const text = textOf(`idempotent-${offset % 2}.0`, offset >> 1);
    history.end(history.begin("idempotent", text), offset, 1);
    history.saw(offset, text);
  }
  history.absent(10, history.moment());
  return history;
}

const namesOf = (history: History): string[] => [...history.acknowledged.values()];

describe("a run is judged", () => {
  test("a good one is good", () => {
    const history = goodHistory();
    const values = namesOf(history);
    const holdings = [0, 1].map((replica) => ({ replica, from: 0, values }));
    assert.deepEqual(judge(history, { next: 10, lowest: 0, holdings, healedMs: 0 }), []);
  });

  test("a replica that lacks the last record", () => {
    const history = goodHistory();
    const values = namesOf(history);
    const holdings = [values, values.slice(0, 9)].map((held, replica) => ({
      ...{ replica, from: 0 },
      values: held,
    }));
    assert.deepEqual(rulesOf(history, { next: 10, lowest: 0, holdings, healedMs: 0 }), ["D1"]);
  });

  test("records are gone that nobody let go of", () => {
    const history = goodHistory();
    history.deletedBefore(2);
    const holdings = [{ replica: 0, from: 3, values: namesOf(history).slice(3) }];
    assert.deepEqual(rulesOf(history, { next: 10, lowest: 3, holdings, healedMs: 0 }), ["D3"]);
  });

  test("an acknowledged record is another one later", () => {
    const history = goodHistory();
    history.saw(4, textOf("plain-0", 1));
    assert.ok(rulesOf(history).includes("R1"));
  });

  test("a linearizable read does not know what was acknowledged before", () => {
    const history = goodHistory();
    history.absent(9, history.moment());
    assert.deepEqual(rulesOf(history), ["R5"]);
  });

  test("a record of an idempotent producer is there twice", () => {
    const history = goodHistory();
    history.saw(10, textOf("idempotent-0.0", 4));
    assert.ok(rulesOf(history).includes("R2"));
  });

  test("a refused record is there", () => {
    const history = goodHistory();
    const text = textOf("plain-0", 0);
    history.end(history.begin("plain", text), "fail");
    history.saw(10, text);
    assert.ok(rulesOf(history).includes("R3"));
  });

  test("bytes that nobody wrote", () => {
    const history = goodHistory();
    history.saw(10, `${textOf("plain-0", 0)}!`);
    assert.deepEqual(rulesOf(history), ["R3"]);
  });

  test("a producer's records stand in another order", () => {
    const history = goodHistory();
    for (const [offset, n] of [
      [10, 1],
      [11, 0],
    ] as const) {
      history.end(history.begin("idempotent", textOf("idempotent-9.0", n)), offset, 1);
    }
    assert.deepEqual(rulesOf(history), ["I2"]);
  });

  test("a record further on is of an older leadership", () => {
    const history = goodHistory();
    history.end(history.begin("plain", textOf("plain-0", 0)), 10, 3);
    history.end(history.begin("plain", textOf("plain-0", 1)), 11, 2);
    assert.deepEqual(rulesOf(history), ["T1"]);
  });

  test("nothing happened", () => {
    const nothing = { stormSeconds: 60, healedMs: 0, events: [], leaderships: [] };
    const figures = figuresOf(new History(), nothing);
    const messages = checkVacuity(figures, 12).map(({ message }) => message);
    assert.equal(messages.length, 7, messages.join("\n"));
  });
});

test("a text says its name, unless a byte of it is another", () => {
  for (const n of [0, 1, 7, 300]) {
    const text = textOf("plain-1", n);
    assert.equal(nameOf(text), `plain-1/${n}`);
    assert.equal(nameOf(`${text}x`), undefined);
  }
  assert.equal(nameOf(""), undefined);
});
