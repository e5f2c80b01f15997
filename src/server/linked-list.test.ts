import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Linked, LinkedList } from "./linked-list.ts";

class Item extends Linked {
  readonly name: number;
  constructor(name: number) {
    super();
    this.name = name;
  }
}

function names(list: LinkedList<Item>): number[] {
  const found: number[] = [];
  for (let at = list.next; at !== list; at = at.next) {
    if (at instanceof Item) found.push(at.name);
  }
  return found;
}

test("lists behave as arrays do, whatever is done to them", () => {
  const step = fc.record({
    kind: fc.constantFrom("push", "shift", "unlink", "takeAll"),
    item: fc.nat(9),
    list: fc.nat(1),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const items = Array.from({ length: 10 }, (_, name) => new Item(name));
      const lists: [LinkedList<Item>, LinkedList<Item>] = [new LinkedList(), new LinkedList()];
      const model: [number[], number[]] = [[], []];
      const forget = (name: number): void => {
        model[0] = model[0].filter((other) => other !== name);
        model[1] = model[1].filter((other) => other !== name);
      };
      for (const { kind, item: name, list: at } of steps) {
        const item = items[name] as Item;
        const side = at === 0 ? 0 : 1;
        const list = lists[side];
        const other = lists[side === 0 ? 1 : 0];
        if (kind === "push") {
          forget(name);
          list.push(item);
          model[side].push(name);
        } else if (kind === "shift") {
          assert.equal(list.shift()?.name, model[side].shift());
        } else if (kind === "unlink") {
          forget(name);
          item.unlink();
          assert.equal(item.linked, false);
        } else {
          list.takeAll(other);
          model[side].push(...(model[1 - side] as number[]));
          model[1 - side] = [];
        }
        assert.deepEqual(names(lists[0]), model[0]);
        assert.deepEqual(names(lists[1]), model[1]);
        assert.equal(list.empty, model[side].length === 0);
      }
    }),
  );
});
