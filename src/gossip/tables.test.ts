/** The arithmetic of gossip, as tables. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { limits, seededRandom } from "../base/index.ts";
import { Awareness } from "./awareness.ts";
import { BroadcastQueue, transmitsMax } from "./broadcasts.ts";
import { LamportClock } from "./lamport.ts";
import { MemberList, type SwimMember } from "./member.ts";
import { pushPullIntervalMs } from "./push-pull.ts";
import { Schedule } from "./schedule.ts";
import { confirmationsExpected, Suspicion, suspicionMinMs, suspicionMs } from "./suspicion.ts";

describe("suspicion", () => {
  const shortest: readonly [members: number, ms: number][] = [
    [1, 4_000],
    [5, 4_000],
    [10, 4_000],
    [50, 6_796],
    [100, 8_000],
    [500, 10_796],
    [1_000, 12_000],
  ];
  for (const [members, ms] of shortest) {
    test(`the shortest among ${members} members`, () => {
      assert.equal(Math.round(suspicionMinMs(4, members, 1_000)), ms);
    });
  }

  const expected: readonly [multiplier: number, members: number, confirmations: number][] = [
    [4, 1, 0],
    [4, 3, 0],
    [4, 4, 2],
    [4, 100, 2],
    [6, 5, 0],
    [6, 6, 4],
    [3, 3, 1],
  ];
  for (const [multiplier, members, confirmations] of expected) {
    test(`multiplier ${multiplier}, ${members} members: ${confirmations} confirmations`, () => {
      assert.equal(confirmationsExpected(multiplier, members), confirmations);
    });
  }

  const lengths: readonly [confirmations: number, of: number, ms: number][] = [
    [0, 0, 2_000], // nobody can confirm: the shortest at once
    [0, 3, 30_000],
    [1, 3, 16_000],
    [2, 3, 7_810],
    [3, 3, 2_000],
    [9, 3, 2_000],
    [0, 2, 30_000],
    [1, 2, 12_333],
    [2, 2, 2_000],
  ];
  for (const [confirmations, of, ms] of lengths) {
    test(`${confirmations} of ${of} confirmations: ${ms} ms of 2 to 30 s`, () => {
      assert.equal(suspicionMs(confirmations, of, 2_000, 30_000), ms);
    });
  }

  test("each accuser counts once, the first not as a confirmation, and enough is enough", () => {
    const suspicion = new Suspicion(0, "x", 2);
    const counted = ["x", "y", "y", "z", "w"].map((from) => suspicion.confirm(from));
    assert.deepEqual(counted, [false, true, false, true, false]);
    assert.equal(suspicion.confirmations, 2);
  });
});

describe("awareness", () => {
  test("the score stays between 0 and below its bound, and stretches time", () => {
    const awareness = new Awareness(8);
    const seen = [-1, 1, 1, -1, 5, 5, -3].map((delta) => {
      awareness.apply(delta);
      return [awareness.score, awareness.scale(1_000)];
    });
    assert.deepEqual(seen, [
      [0, 1_000],
      [1, 2_000],
      [2, 3_000],
      [1, 2_000],
      [6, 7_000],
      [7, 8_000],
      [4, 5_000],
    ]);
  });
});

describe("broadcasts", () => {
  const counts: readonly [members: number, times: number][] = [
    [0, 0],
    [1, 4],
    [3, 6],
    [6, 12],
    [99, 12],
    [999, 12],
    [1_000, 16],
  ];
  for (const [members, times] of counts) {
    test(`each is sent ${times} times among ${members}`, () => {
      assert.equal(transmitsMax(4, members), times);
    });
  }

  const queued = (...lengths: readonly number[]): BroadcastQueue => {
    const queue = new BroadcastQueue();
    for (const length of lengths) queue.add({ bytes: new Uint8Array(length) }, 100);
    return queue;
  };
  const lengthsOf = (parts: readonly Uint8Array[]): number[] => parts.map(({ length }) => length);

  test("fewest transmits first, then the longest", () => {
    const queue = queued(10, 30, 20);
    assert.deepEqual(lengthsOf(queue.take(64, 2, 9)), [30, 20]);
    assert.deepEqual(lengthsOf(queue.take(64, 2, 9)), [10, 30]);
    assert.deepEqual(lengthsOf(queue.take(64, 2, 9)), [20, 10]);
  });

  test("among equals the newest first", () => {
    const queue = new BroadcastQueue();
    for (const byte of [1, 2, 3]) queue.add({ bytes: Uint8Array.of(byte) }, 100);
    assert.deepEqual(
      queue.take(9, 2, 9).map((bytes) => bytes[0]),
      [3, 2, 1],
    );
  });

  test("what is too long for the room left makes place for what is not", () => {
    assert.deepEqual(lengthsOf(queued(100, 50, 5).take(60, 2, 9)), [50, 5]);
  });

  test("sent often enough, it goes, and says so", () => {
    const queue = new BroadcastQueue();
    let finished = 0;
    queue.add({ bytes: new Uint8Array(5), onFinished: () => (finished += 1) }, 100);
    queue.take(100, 2, 2);
    assert.deepEqual([queue.length, finished], [1, 0]);
    queue.take(100, 2, 2);
    assert.deepEqual([queue.length, finished], [0, 1]);
  });

  test("newer news of the same subject replace older ones", () => {
    const queue = new BroadcastQueue();
    let finished = 0;
    const onFinished = (): void => {
      finished += 1;
    };
    queue.add({ bytes: Uint8Array.of(1), subject: "m", onFinished }, 100);
    queue.add({ bytes: Uint8Array.of(2), subject: "m" }, 100);
    queue.add({ bytes: Uint8Array.of(3) }, 100);
    assert.equal(finished, 1);
    assert.deepEqual(
      queue.take(100, 2, 9).map((bytes) => bytes[0]),
      [3, 2],
    );
  });

  test("a full queue drops what was sent most often", () => {
    const queue = queued(10);
    queue.take(100, 2, 9);
    assert.ok(queue.add({ bytes: new Uint8Array(1) }, 2));
    assert.ok(!queue.add({ bytes: new Uint8Array(2) }, 2));
    assert.deepEqual(lengthsOf(queue.take(100, 2, 9)), [2, 1]);
  });

  test("whatever is added and taken, no packet is overfull and nothing is sent too often", () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant("take")));
    fc.assert(
      fc.property(steps, (script) => {
        const queue = new BroadcastQueue();
        const sent = new Map<Uint8Array, number>();
        for (const step of script) {
          if (typeof step === "number") queue.add({ bytes: new Uint8Array(step) }, 20);
          else {
            const parts = queue.take(500, 2, 3);
            assert.ok(parts.reduce((sum, part) => sum + part.length + 2, 0) <= 500);
            assert.equal(new Set(parts).size, parts.length);
            for (const part of parts) sent.set(part, (sent.get(part) ?? 0) + 1);
          }
        }
        assert.ok([...sent.values()].every((count) => count <= 3));
        assert.ok(queue.length <= 20);
      }),
    );
  });
});

describe("push/pull", () => {
  const intervals: readonly [members: number, seconds: number][] = [
    [1, 30],
    [32, 30],
    [33, 60],
    [64, 60],
    [65, 90],
    [128, 90],
    [500, 150],
  ];
  for (const [members, seconds] of intervals) {
    test(`every ${seconds} s among ${members}`, () => {
      assert.equal(pushPullIntervalMs(30_000, members), seconds * 1_000);
    });
  }
});

describe("a Lamport clock", () => {
  test("goes behind whatever it witnesses, and never back", () => {
    const clock = new LamportClock();
    const times = [0, 1, 5, 3].map((time) => {
      clock.witness(time);
      return clock.time;
    });
    assert.deepEqual(times, [1, 2, 6, 6]);
    assert.equal(clock.increment(), 6);
    assert.equal(clock.time, 7);
  });

  test("does not believe what would leave no room, and once near the end only small steps", () => {
    const { gossipTimeMax, gossipTimeStepMax } = limits;
    assert.ok(new LamportClock().admits(gossipTimeMax));
    for (const time of [gossipTimeMax + gossipTimeStepMax, 2 ** 53, NaN, -1, 1.5]) {
      assert.ok(!new LamportClock().admits(time), String(time));
    }
    const clock = new LamportClock();
    clock.witness(gossipTimeMax);
    assert.ok(clock.admits(gossipTimeMax + 2), "our own next times are believed by others");
  });

  test("where all clocks were driven beyond the bound, one that begins anew is soon among them", () => {
    const { gossipTimeMax, gossipTimeStepMax } = limits;
    const driven = new LamportClock(gossipTimeMax + gossipTimeStepMax / 2);
    const fresh = new LamportClock();
    assert.ok(!fresh.admits(driven.increment()));
    assert.ok(fresh.admits(driven.increment()));
    for (let count = 0; count < 2 ** 12; count++) fresh.admits(2 ** 53 - 1);
    assert.ok(Number.isSafeInteger(fresh.time + 1_000));
  });
});

describe("the schedule", () => {
  test("runs what is due in the order of ticks, then of asking; what was cancelled never", () => {
    const ticks = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 });
    fc.assert(
      fc.property(ticks, fc.infiniteStream(fc.boolean()), (delays, cancels) => {
        const schedule = new Schedule();
        const ran: [tick: number, index: number][] = [];
        const expected: [number, number][] = [];
        for (const [index, delay] of delays.entries()) {
          const task = schedule.after(delay, () => ran.push([schedule.now, index]));
          if (cancels.next().value === true) task.cancel();
          else expected.push([Math.max(1, delay), index]);
        }
        for (let count = 0; count < 21; count++) schedule.advance();
        assert.deepEqual(
          ran,
          expected.sort(([a, i], [b, j]) => a - b || i - j),
        );
      }),
    );
  });
});

test("the schedule passes many ticks as one by one, says when it is due, and keeps no litter", () => {
  const ran: string[] = [];
  const schedule = new Schedule();
  schedule.after(7, () => {
    ran.push(`seven at ${schedule.now}`);
    schedule.after(2, () => ran.push(`nine at ${schedule.now}`));
  });
  const cancelled = schedule.after(3, () => ran.push("never"));
  assert.equal(schedule.ticksUntilDue, 3);
  cancelled.cancel();
  assert.equal(schedule.ticksUntilDue, 7);
  schedule.advance(20);
  assert.deepEqual([ran, schedule.now], [["seven at 7", "nine at 9"], 20]);
  assert.equal(schedule.ticksUntilDue, Infinity);
  for (let count = 0; count < 100_000; count++) schedule.after(1e6, () => undefined).cancel();
  assert.ok(schedule.size < 5_000, String(schedule.size));
});

describe("the ring of members", () => {
  const member = (name: string): SwimMember => ({
    name,
    address: { ip: new Uint8Array(4), port: 1 },
    meta: new Uint8Array(),
    versions: new Uint8Array(6),
    incarnation: 1,
    state: "alive",
    stateTick: 0,
    suspicion: undefined,
    suspicionTask: undefined,
    claimant: undefined,
    reminderTick: 0,
  });

  test("everybody is probed once in each round, in another order", () => {
    const list = new MemberList(seededRandom(1));
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
    for (const name of names) list.add(member(name));
    const round = (): string[] =>
      names.map(
        () =>
          list.nextToProbe(
            () => true,
            () => false,
          )?.name ?? "",
      );
    const [first, second] = [round(), round()];
    assert.deepEqual(first.toSorted(), names.toSorted());
    assert.deepEqual(second.toSorted(), names.toSorted());
    assert.notDeepEqual(first, second);
  });

  test("at the end of a round the forgotten go", () => {
    const list = new MemberList(seededRandom(1));
    for (const name of ["a", "b", "c"]) list.add(member(name));
    const isForgotten = ({ name }: SwimMember): boolean => name === "b";
    for (let count = 0; count < 4; count++) list.nextToProbe(() => true, isForgotten);
    assert.equal(list.size, 2);
    assert.equal(list.get("b"), undefined);
  });

  test("a ring without anybody to probe says so", () => {
    const list = new MemberList(seededRandom(1));
    list.add(member("a"));
    const none = list.nextToProbe(
      () => false,
      () => false,
    );
    assert.equal(none, undefined);
    const emptied = list.nextToProbe(
      () => true,
      () => true,
    );
    assert.equal(emptied, undefined);
  });
});
