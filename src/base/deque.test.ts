import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Deque } from "./deque.ts";
import { below, seededRandom } from "./random.ts";

test("does what an array does, over many lengths", () => {
  const random = seededRandom(1);
  const deque = new Deque<number>();
  const model: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    // Grows in the first half, shrinks in the second, so that the front moves far.
    if (below(random, 10) < (step < 10_000 ? 7 : 3)) {
      deque.push(step);
      model.push(step);
    } else if (below(random, 4) === 0) {
      assert.equal(deque.pop(), model.pop());
    } else {
      assert.equal(deque.shift(), model.shift());
    }
    assert.equal(deque.length, model.length);
    assert.equal(deque.peek(), model[0]);
    assert.equal(deque.peekLast(), model.at(-1));
    const place = below(random, 100) - 10;
    assert.equal(deque.at(place), place < 0 ? undefined : model[place]);
    if (step % 1_000 !== 0) continue;
    assert.deepEqual([...deque], model);
    assert.deepEqual(deque.slice(3, 20), model.slice(3, 20));
  }
  assert.deepEqual([...deque], model);
  deque.clear();
  assert.deepEqual([...deque], []);
});

test("what has left it is held no longer", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const deque = new Deque<object>();
  const held = Array.from({ length: 20 }, () => {
    const item = {};
    deque.push(item);
    return new WeakRef(item);
  });
  for (let i = 0; i < 8; i++) deque.shift();
  for (let i = 0; i < 8; i++) deque.pop();
  // A weak reference that was just made, or looked at, is strong until the turn ends.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const left = held.map((reference) => (reference.deref() === undefined ? "-" : "x")).join("");
  assert.equal(left, "--------xxxx--------");
  assert.equal(deque.length, 4);
});
