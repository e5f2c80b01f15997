/** Time in order, chance by purpose, and a network that does what it was told to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { below, seededRandom } from "../../src/base/index.ts";
import { collectRejections } from "../rejections.ts";
import { Network, Turn, World, type NetworkOptions } from "./index.ts";

const PERFECT: NetworkOptions = {
  delayMsMin: 1,
  delayMsMean: 0,
  lossChance: 0,
  duplicateChance: 0,
  ordered: false,
};

function runAll(world: World): void {
  while (world.step(1e6));
}

describe("time", () => {
  test("events happen in the order of time, and of scheduling", () => {
    const world = new World(1);
    const random = seededRandom(5);
    const seen: { readonly at: number; readonly number: number }[] = [];
    for (let number = 0; number < 2_000; number++) {
      const at = below(random, 300);
      world.after(at, () => seen.push({ at, number }));
    }
    runAll(world);
    const sorted = seen.toSorted((a, b) => a.at - b.at || a.number - b.number);
    assert.equal(seen.length, 2_000);
    assert.deepEqual(seen, sorted);
  });

  test("what is cancelled does not happen, and time stops where it is told to", () => {
    const world = new World(1);
    const seen: string[] = [];
    const cancel = world.after(5, () => seen.push("cancelled"));
    world.after(7, () => seen.push("late"));
    cancel();
    assert.equal(world.step(6), false);
    assert.equal(world.nowMs, 6);
    assert.equal(world.step(7), true);
    assert.deepEqual(seen, ["late"]);
  });
});

describe("chance", () => {
  const draws = (world: World, purpose: string): number[] => {
    const random = world.random(purpose);
    return Array.from({ length: 5 }, () => random.u32());
  };

  test("one seed and purpose is one stream; others are others", () => {
    const network = draws(new World(1), "network");
    assert.deepEqual(draws(new World(1), "network"), network);
    assert.notDeepEqual(draws(new World(1), "disks"), network);
    assert.notDeepEqual(draws(new World(2), "network"), network);
  });
});

describe("the network", () => {
  const play = (
    options: Partial<NetworkOptions>,
    story: (network: Network<number>, world: World) => void,
  ): number[] => {
    const world = new World(3);
    const arrived: number[] = [];
    const network = new Network<number>(world, { ...PERFECT, ...options }, (_from, _to, message) =>
      arrived.push(message),
    );
    story(network, world);
    runAll(world);
    return arrived;
  };
  const hundred = Array.from({ length: 100 }, (_, i) => i);
  const sendAll = (network: Network<number>): void => {
    for (const i of hundred) network.send(1, 2, i);
  };

  test("loses, doubles and reorders, each on its own", () => {
    assert.deepEqual(play({}, sendAll), hundred);
    const some = play({ lossChance: 0.3 }, sendAll);
    assert.ok(some.length > 40 && some.length < 95, `${some.length} of 100 arrived`);
    assert.ok(play({ duplicateChance: 0.3 }, sendAll).length > 110);
    const late = play({ delayMsMean: 10 }, sendAll);
    assert.notDeepEqual(late, hundred);
    assert.deepEqual(
      late.toSorted((a, b) => a - b),
      hundred,
    );
    assert.deepEqual(play({ delayMsMean: 10, ordered: true }, sendAll), hundred);
  });

  test("a block is one way, loses what is under way, and can be healed", () => {
    const arrived = play({}, (network, world) => {
      network.send(1, 2, 1);
      network.block(1, 2);
      network.send(2, 1, 2);
      world.after(10, () => network.healAll());
      world.after(20, () => network.send(1, 2, 3));
    });
    assert.deepEqual(arrived, [2, 3]);
  });

  test("a clog delays, a reset loses what is under way", () => {
    const arrived = play({}, (network, world) => {
      network.clog(1, 2, 50);
      network.send(1, 2, 1);
      world.after(20, () => network.send(3, 4, 2));
      world.after(60, () => network.send(1, 2, 3));
      world.after(60, () => network.reset(1, 2));
      world.after(70, () => network.send(1, 2, 4));
    });
    assert.deepEqual(arrived, [2, 1, 4]);
  });
});

describe("turns", () => {
  for (const isStrict of [true, false]) {
    test(`what an event begins has gone as far as it can when it is looked at, strict: ${isStrict}`, async () => {
      const told: string[] = [];
      const restore = collectRejections((error) => told.push(String(error)));
      const begin = async (number: number): Promise<void> => {
        for (let i = 0; i < 5; i++) await Promise.resolve();
        await new Promise<void>((resolve) => {
          process.nextTick(resolve);
        });
        told.push(`done ${number}`);
        if (number === 2) throw new Error("nobody waits for it");
      };
      let number = 0;
      const next = (): boolean => {
        if (number === 3) return false;
        void begin(++number);
        return true;
      };
      await new Turn(isStrict).run(next, () => told.push("looked"));
      restore();
      const second = ["done 2", "Error: nobody waits for it", "looked"];
      assert.deepEqual(told, ["done 1", "looked", ...second, "done 3", "looked"]);
    });
  }

  test("what is thrown ends them", async () => {
    const turn = new Turn(false);
    const fail = (): never => {
      throw new Error("on purpose");
    };
    await assert.rejects(
      turn.run(fail, () => undefined),
      /on purpose/,
    );
    await assert.rejects(
      turn.run(() => true, fail),
      /on purpose/,
    );
  });
});
