/** What the world may send: refused, counted, and never remembered without bound. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { limits } from "../../base/index.ts";
import type { Alive, CountName, PacketMessage, PushPull, SerfMessage } from "../index.ts";
import { addressOf, alive, dead, Lone, pushPull, row, suspect } from "../testing/lone.ts";

describe("refused", () => {
  const versions = (...bytes: readonly number[]): Alive =>
    alive("z", 1, { versions: Uint8Array.from(bytes) });
  const five = { ip: new Uint8Array(5), port: 1 };
  const cases: readonly [what: string, message: PacketMessage, count: CountName][] = [
    ["a name of 64 KiB", alive("z".repeat(65_536)), "member_name_invalid"],
    ["no name", alive("", 1, { address: addressOf(9) }), "member_name_invalid"],
    ["an address of 5 bytes", alive("z", 1, { address: five }), "address_refused"],
    ["port 0", alive("z", 1, { address: addressOf(9, 0) }), "address_refused"],
    ["tags of 64 KiB", alive("z", 1, { meta: new Uint8Array(65_536) }), "meta_refused"],
    ["no versions", alive("z", 1, { versions: new Uint8Array() }), "versions_refused"],
    ["versions that we do not speak", versions(1, 1, 1, 2, 5, 4), "versions_refused"],
    ["versions that nobody speaks", versions(1, 5, 9, 2, 5, 4), "versions_refused"],
    ["versions of Serf that we do not speak", versions(1, 5, 2, 2, 3, 3), "versions_refused"],
    ["versions of 0", alive("z", 1, { versions: new Uint8Array(6) }), "versions_refused"],
    ["an incarnation that nobody can top", alive("z", 2 ** 32 - 1), "incarnation_refused"],
    ["an accusation that cannot be refuted", suspect("a", 2 ** 32 - 1), "incarnation_refused"],
    ["an incarnation that is no number", dead("b", NaN), "incarnation_refused"],
  ];
  for (const [what, message, count] of cases) {
    test(what, () => {
      const a = new Lone("b");
      a.hear(message);
      assert.deepEqual([...a.counts], [[count, 1]]);
      assert.deepEqual(a.story(), []);
      assert.deepEqual(
        a.gossip.members().map(({ name }) => name),
        ["a", "b"],
      );
    });
  }

  const far = 2 ** 52;
  const serf: readonly [what: string, message: SerfMessage, count: CountName][] = [
    ["an intent far ahead", { kind: "join-intent", time: far, name: "b" }, "time_refused"],
    [
      "an intent about a huge name",
      { kind: "join-intent", time: 1, name: "z".repeat(65_536) },
      "member_name_invalid",
    ],
    [
      "an event far ahead",
      { kind: "user-event", time: far, name: "x", payload: new Uint8Array(), coalesce: false },
      "time_refused",
    ],
    [
      "an answer that nobody asked for",
      {
        kind: "query-response",
        time: 1,
        id: 1,
        from: "b",
        ack: false,
        payload: new Uint8Array(),
      },
      "response_unknown",
    ],
  ];
  for (const [what, message, count] of serf) {
    test(what, () => {
      const a = new Lone("b");
      a.hearSerf(message);
      assert.deepEqual([...a.counts], [[count, 1]]);
      const { time, eventTime, queryTime } = a.gossip.status().clocks;
      assert.ok(Math.max(time, eventTime, queryTime) <= limits.gossipTimeMax);
      assert.deepEqual(a.story(), []);
    });
  }

  test("a push/pull with versions that do not fit, or clocks far ahead", () => {
    const a = new Lone("b");
    const wrong = { ...row("c", "alive"), versions: Uint8Array.of(1, 1, 1, 2, 5, 4) };
    assert.notEqual(a.push(pushPull([wrong])), undefined, "a peer is answered before it is judged");
    a.push(pushPull([row("d", "alive")], { time: far }));
    assert.equal(a.counts.get("push_pull_refused"), 1);
    assert.equal(a.counts.get("time_refused"), 1);
    assert.equal(a.status("c"), undefined);
    assert.equal(a.status("d"), "alive");
  });

  test("the same member many times in one push/pull", () => {
    const a = new Lone("b");
    const rows = [
      row("c", "alive", 1),
      row("c", "left", 1),
      row("c", "alive", 1),
      row("c", "alive", 2),
    ];
    a.push(pushPull(rows));
    assert.equal(a.status("c"), "alive");
    assert.deepEqual(a.story(), ["join c", "failed c", "join c"]);
  });
});

describe("what can be refuted is believed, and nothing else", () => {
  test("the answer to the highest accusation is believed by others", () => {
    for (const accuse of [suspect, dead]) {
      const [a, other] = [new Lone("b"), new Lone("b")];
      let highest = 0;
      for (let incarnation = 2 ** 31; incarnation < 2 ** 31 + 1_000; incarnation++) {
        const before = a.counts.get("incarnation_refused") ?? 0;
        a.hear(accuse("a", incarnation));
        if ((a.counts.get("incarnation_refused") ?? 0) === before) highest = incarnation;
      }
      a.run(400);
      const answers = a.sentOf("alive").filter(({ name }) => name === "a");
      const last = Math.max(...answers.map(({ incarnation }) => incarnation));
      assert.equal(last, highest + 1);
      // As it hears of it: not each time, but more often than the step.
      for (let heard = 2 ** 31; heard < highest; heard += 60) other.hear(alive("b", heard));
      other.hear(accuse("b", highest), alive("b", last));
      assert.equal(other.status("b"), "alive");
      assert.equal(other.counts.get("incarnation_refused"), undefined);
    }
  });

  test("whoever was driven high and leaves is not kept away for it", () => {
    const a = new Lone("b", "c");
    const high = 2 ** 31 + 20;
    a.hearSerf({ kind: "leave-intent", time: 5, name: "b", prune: false });
    a.hear(alive("b", high), dead("b", high, "b"));
    assert.equal(a.status("b"), "left");
    a.runAnswered(120_000);
    a.hear(alive("b", 1));
    assert.equal(a.status("b"), "alive");
  });
});

describe("bounded", () => {
  test("names, over a day, and rows of a push/pull: who is gone longest makes room", () => {
    const a = new Lone();
    const meta = new Uint8Array();
    // Together a few more than there is room for.
    const length = limits.gossipMembersMax / 2 + 100;
    for (const round of [0, 1]) {
      const messages = Array.from({ length }, (_, index) => {
        const address = { ip: Uint8Array.of(10, 1, index >> 8, index & 255), port: 1 };
        const name = `m${round}-${index}`;
        const left = { kind: "leave-intent", time: 5, name, prune: false } as const;
        const said = alive(name, 1, { address, meta });
        return [said, { kind: "user", message: left } as const, dead(name, 1, name)];
      });
      a.gossip.step({ kind: "packet", from: addressOf(2), messages: messages.flat() });
      // Until the list has forgotten them.
      if (round === 0) a.gossip.tick(3_500);
      a.gossip.ready();
    }
    a.hear(alive("b"));
    assert.deepEqual(
      ["m0-1", "m1-1", "b"].map((name) => a.status(name)),
      [undefined, "left", "alive"],
    );
    assert.ok(a.gossip.members().length <= limits.gossipMembersMax);
    const rows = a.push(pushPull([]))?.members ?? [];
    assert.ok(rows.length <= limits.gossipRowsMax, String(rows.length));
    assert.ok(["a", "b"].every((name) => rows.some((row) => row.name === name)));
  });

  test("what is remembered of events, whatever their size", () => {
    const a = new Lone("b");
    const { gossipEventTimes, gossipEventBytesPerTimeMax } = limits;
    for (let time = 1; time <= 2 * gossipEventTimes; time++) {
      for (const bytes of [60_000, 9_000, 9_000, 5_000, 400]) {
        const payload = new Uint8Array(bytes);
        const name = `e${bytes}`;
        a.hearSerf({ kind: "user-event", time, name, payload, coalesce: false });
      }
    }
    const remembered = (a.push(pushPull([]))?.serf?.events ?? []).flatMap(({ events }) => events);
    const bytes = remembered.reduce((sum, { payload }) => sum + payload.length, 0);
    assert.ok(bytes <= gossipEventTimes * gossipEventBytesPerTimeMax);
    assert.ok(remembered.some(({ payload }) => payload.length === 9_000));
    assert.ok(bytes < limits.gossipSerfStateBytesMax / 2, "it fits into a push/pull");
    const query = { kind: "query", time: 5, id: 1, ack: false, noBroadcast: false } as const;
    const source = { name: "b", ...addressOf(2) };
    const rest = { source, relayFactor: 0, timeoutMs: 1_000, name: "x" };
    a.clear();
    a.hearSerf({ ...query, ...rest, filters: [], payload: new Uint8Array(60_000) });
    const filter = { kind: "names", names: ["a"] } as const;
    const filters = Array.from({ length: 1_000 }, () => filter);
    a.hearSerf({ ...query, ...rest, filters, id: 2, payload: new Uint8Array() });
    assert.deepEqual([a.story(), a.counts.get("query_limit")], [[], 2]);
  });

  test("members, and what is remembered of those who are unknown", () => {
    const a = new Lone();
    const meta = new Uint8Array();
    for (let index = 0; index < limits.gossipMembersMax + 100; index++) {
      const ip = Uint8Array.of(10, 1, index >> 8, index & 255);
      a.hear(alive(`m${index}`, 1, { address: { ip, port: 1 }, meta }));
      a.hearSerf({ kind: "leave-intent", time: 5, name: `x${index}`, prune: false });
    }
    assert.equal(a.gossip.members().length, limits.gossipMembersMax);
    assert.equal(a.counts.get("member_limit"), 101);
    assert.ok((a.counts.get("intent_limit") ?? 0) > 0);
    assert.ok(a.gossip.status().memberQueueLength <= 2 * limits.gossipMembersMax);
  });

  test("events of one time, and probes for others", () => {
    const a = new Lone("b");
    for (let index = 0; index < 2_000; index++) {
      const name = `e${index}`;
      a.hearSerf({
        kind: "user-event",
        time: 3,
        name,
        payload: new Uint8Array(),
        coalesce: false,
      });
      a.hear({
        kind: "indirect-ping",
        sequence: index,
        target: addressOf(2),
        name: "b",
        nack: true,
      });
    }
    assert.equal(a.events.length, limits.gossipEventsPerTimeMax);
    assert.equal(a.sentOf("ping").length, limits.gossipRelaysMax);
    a.run(510);
    assert.equal(a.sentOf("nack").length, limits.gossipRelaysMax);
  });

  test("no packet is larger than the budget, whatever is waiting", () => {
    const a = new Lone("b", "c");
    a.act((gossip) => gossip.setPacketOverhead(45));
    for (let index = 0; index < 200; index++) {
      a.hear(alive(`m${index}`, 1, { meta: new Uint8Array(index) }));
      a.hearSerf({
        kind: "user-event",
        time: 3 + index,
        name: "x",
        payload: new Uint8Array(3 * index),
        coalesce: false,
      });
    }
    for (let rounds = 0; rounds < 200; rounds++) {
      a.gossip.tick();
      for (const { parts } of a.gossip.ready().packets) {
        const bytes = parts.reduce((sum, part) => sum + part.length + 2, 2 + 45);
        assert.ok(bytes <= limits.gossipPacketBytes && parts.length <= 255, String(bytes));
      }
    }
  });
});

test("whatever comes, in whatever order, nothing throws, and we stay alive in our own eyes", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "", "z".repeat(200));
  const number = fc.oneof(
    fc.integer({ min: 0, max: 12 }),
    fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 47, 2 ** 53, -1, NaN),
  );
  const address = fc.record({
    ip: fc.uint8Array({ maxLength: 16 }),
    port: fc.integer({ min: 0, max: 65_535 }),
  });
  const known = name.chain((each) => fc.constantFrom(addressOf(each.charCodeAt(0) - 96)));
  const claim: fc.Arbitrary<Alive> = fc.record({
    kind: fc.constant("alive" as const),
    name,
    incarnation: number,
    address: fc.oneof(address, known),
    meta: fc.uint8Array({ maxLength: 600 }),
    versions: fc.oneof(
      fc.uint8Array({ maxLength: 7 }),
      fc.constant(Uint8Array.of(1, 5, 2, 2, 5, 4)),
    ),
  });
  const time = number;
  const payload = fc.uint8Array({ maxLength: 20 });
  const kind = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);
  const serf: fc.Arbitrary<SerfMessage> = fc.oneof(
    fc.record({ kind: kind("join-intent"), time, name }),
    fc.record({ kind: kind("leave-intent"), time, name, prune: fc.boolean() }),
    fc.record({ kind: kind("user-event"), time, name, payload, coalesce: fc.boolean() }),
    fc.record({
      kind: kind("query"),
      time,
      id: number,
      source: fc.record({ name, ip: payload, port: number }),
      filters: fc.constantFrom([], [{ kind: "tag", tag: "__proto__", expression: "(" } as const]),
      ack: fc.boolean(),
      noBroadcast: fc.boolean(),
      relayFactor: number,
      timeoutMs: number,
      name: fc.constantFrom("x", "_serf_conflict", "_serf_ping", "_serf_install-key"),
      payload,
    }),
    fc.record({
      kind: kind("query-response"),
      time,
      id: number,
      from: name,
      ack: fc.boolean(),
      payload,
    }),
  );
  const message: fc.Arbitrary<PacketMessage> = fc.oneof(
    claim,
    fc.record({ kind: kind("suspect"), name, incarnation: number, from: name }),
    fc.record({ kind: kind("dead"), name, incarnation: number, from: name }),
    fc.record({ kind: kind("ping"), name, sequence: number }),
    fc.record({ kind: kind("ack"), sequence: number, payload: fc.constant(null) }),
    fc.record({ kind: kind("nack"), sequence: number }),
    fc.record({ kind: kind("user"), message: serf }),
  );
  const state = fc.constantFrom("alive", "suspect", "dead", "left" as const);
  const push: fc.Arbitrary<PushPull> = fc
    .array(fc.tuple(claim, state), { maxLength: 6 })
    .map((rows) => pushPull(rows.map(([each, is]) => ({ ...each, state: is }))));
  const step = fc.oneof(message, push, fc.integer({ min: 1, max: 3_000 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (script) => {
      const a = new Lone("b", "c");
      for (const each of script) {
        if (typeof each === "number") a.run(each);
        else if (each.kind === "push-pull") a.push(each);
        else a.hear(each);
      }
      assert.equal(a.status("a"), "alive");
      assert.equal(a.gossip.members().find((member) => member.name === "a")?.address.ip[3], 1);
    }),
    { numRuns: 300 },
  );
});
