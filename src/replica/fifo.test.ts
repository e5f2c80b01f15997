import assert from "node:assert/strict";
import { test } from "node:test";
import { below, seededRandom } from "../base/index.ts";
import { Fifo } from "./fifo.ts";

test("first in, first out, over many lengths", () => {
  const random = seededRandom(1);
  const fifo = new Fifo<number>();
  const model: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    // Grows in the first half, shrinks in the second, so that the front moves far.
    if (below(random, 10) < (step < 10_000 ? 7 : 3)) {
      fifo.push(step);
      model.push(step);
    } else {
      assert.equal(fifo.shift(), model.shift());
    }
    assert.equal(fifo.length, model.length);
    assert.equal(fifo.peek(), model[0]);
    if (step % 1_000 === 0) assert.deepEqual([...fifo], model);
  }
  assert.deepEqual([...fifo], model);
});
