/** What is believed of a member (SWIM, section 4.2), told one message at a time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { VERSIONS } from "../index.ts";
import { addressOf, alive, dead, Lone, metaOf, pushPull, row, suspect } from "../testing/lone.ts";

const elsewhere = addressOf(2, 1234);

describe("alive", () => {
  test("somebody new joins, and the news go on", () => {
    const a = new Lone("b");
    a.hear(alive("c"));
    assert.deepEqual(a.story(), ["join c"]);
    assert.equal(a.status("c"), "alive");
    a.run(400);
    assert.ok(a.sentOf("alive").some(({ name }) => name === "c"));
  });

  test("what is not newer changes nothing and is not told on", () => {
    const a = new Lone("b");
    a.run(20_000);
    a.clear();
    a.hear(alive("b", 1, { meta: metaOf({ role: "other" }) }));
    a.run(400);
    assert.deepEqual(a.story(), []);
    assert.equal(a.sentOf("alive").length, 0);
  });

  test("a higher incarnation brings new tags", () => {
    const a = new Lone("b");
    a.hear(alive("b", 2, { meta: metaOf({ role: "other" }) }));
    assert.deepEqual(a.story(), ["update b"]);
    assert.equal(a.gossip.members()[1]?.tags["role"], "other");
  });

  test("another address under the name of one who lives is a conflict, told of once a second", () => {
    const a = new Lone("b");
    for (let count = 0; count < 10; count++) a.hear(alive("b", 9, { address: elsewhere }));
    assert.equal(a.counts.get("address_conflict"), 10);
    assert.deepEqual(a.story(), ["conflict b"]);
    assert.equal(a.gossip.member("b")?.address.port, 7946);
    a.hear(suspect("b", 1), alive("b", 9, { address: elsewhere }));
    assert.equal(a.gossip.member("b")?.address.port, 7946, "a suspect may live");
  });

  test("who crashed comes back from another address with a higher incarnation", () => {
    const a = new Lone("b");
    a.hear(dead("b", 4, "x"), alive("b", 5, { address: elsewhere }));
    assert.equal(a.gossip.member("b")?.address.port, 1234);
    assert.deepEqual(a.story(), ["failed b", "join b"]);
    a.run(400);
    const told = a.sentOf("alive").find(({ name }) => name === "b");
    assert.deepEqual([told?.incarnation, told?.address.port], [5, 1234]);
  });

  test("so does who left; an old story of another address brings nobody back, and is answered", () => {
    for (const from of ["b", "x"]) {
      const a = new Lone("b", "c");
      a.hear(dead("b", 4, from));
      a.runAnswered(5_000);
      a.clear();
      for (const incarnation of [1, 4]) a.hear(alive("b", incarnation, { address: elsewhere }));
      assert.deepEqual(a.story(), []);
      const answers = a.sent.filter(({ to }) => to === "10.0.0.2:1234");
      assert.equal(answers.length, 1, "once a second");
      const by = from === "b" ? "b" : "a";
      assert.deepEqual(answers[0]?.message, dead("b", 4, by));
      a.hear(alive("b", 5, { address: elsewhere }));
      assert.equal(a.gossip.member("b")?.address.port, 1234);
    }
  });

  test("who claimed the name of one who was not dead yet is told as soon as it is", () => {
    const a = new Lone("b", "c");
    a.hear(alive("b", 3, { address: elsewhere }));
    a.clear();
    a.hear(dead("b", 2, "x"));
    const told = a.sent.filter(({ to }) => to === "10.0.0.2:1234");
    assert.ok(told.some(({ message }) => message.kind === "dead" && message.incarnation === 2));
  });

  test("IPv4 in 4 bytes and in 16 is one address", () => {
    const a = new Lone("b");
    const ip = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2);
    a.hear(alive("b", 2, { address: { ip, port: 7946 } }));
    assert.equal(a.counts.get("address_conflict"), undefined);
    assert.equal(a.gossip.member("b")?.address.ip.length, 16);
  });

  test("an IPv4 address of 16 bytes is kept as it came", () => {
    const a = new Lone();
    const ip = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2);
    a.hear(alive("b", 1, { address: { ip, port: 7946 } }));
    a.run(400);
    assert.deepEqual(a.sentOf("alive").find(({ name }) => name === "b")?.address.ip, ip);
  });
});

describe("suspect and dead", () => {
  test("an accusation in time is refuted by the accused; here by its next incarnation", () => {
    const a = new Lone("b", "c", "d");
    a.hear(suspect("b"));
    a.hear(alive("b", 2));
    a.runAnswered(60_000);
    assert.deepEqual(a.story(), ["suspected b"]);
    assert.equal(a.status("b"), "alive");
  });

  test("of an older incarnation, or of somebody unknown, it is nothing", () => {
    const a = new Lone("b");
    a.hear(alive("b", 5));
    a.clear();
    a.hear(suspect("b", 4), dead("b", 4), suspect("z"), dead("z"));
    assert.deepEqual(a.story(), []);
  });

  test("nobody confirms: the suspicion lasts longest; two do: shortest; with nobody else: shortest", () => {
    const lasts = (others: readonly string[], confirmers: readonly string[]): number => {
      const a = new Lone(...others);
      a.hear(suspect("b", 1, "x"), ...confirmers.map((from) => suspect("b", 1, from)));
      let ms = 0;
      while (a.status("b") === "alive" && ms < 60_000) {
        a.runAnswered(10);
        ms += 10;
      }
      return ms;
    };
    assert.equal(lasts(["b", "c", "d"], []), 24_000);
    assert.equal(lasts(["b", "c", "d"], ["x", "x"]), 24_000);
    assert.equal(lasts(["b", "c", "d"], ["y"]), 11_390);
    assert.equal(lasts(["b", "c", "d"], ["y", "z"]), 4_000);
    assert.equal(lasts(["b", "c"], []), 4_000);
  });

  test("each new confirmation is told on, once", () => {
    const a = new Lone("b", "c", "d");
    a.run(10_000);
    a.clear();
    a.hear(suspect("b", 1, "x"));
    a.run(200);
    a.hear(suspect("b", 1, "y"), suspect("b", 1, "y"));
    a.run(200);
    assert.ok(a.sentOf("suspect").some(({ from }) => from === "y"));
  });

  test("accused again after a refutation that we missed, its time begins anew", () => {
    const a = new Lone("b", "c", "d");
    a.hear(suspect("b", 1, "x"), suspect("b", 1, "y"));
    a.runAnswered(3_000);
    a.hear(suspect("b", 2, "z"));
    a.runAnswered(20_000);
    assert.equal(a.status("b"), "alive");
    a.runAnswered(4_010);
    assert.equal(a.status("b"), "failed");
  });

  test("confirmed late, when its time is already over, the death is at once", () => {
    const a = new Lone("b", "c", "d");
    a.hear(suspect("b", 1, "x"));
    a.runAnswered(20_000);
    a.hear(suspect("b", 1, "y"));
    assert.equal(a.status("b"), "failed");
  });

  test("before somebody is declared dead, it is asked once more, and the refutation may come", () => {
    const a = new Lone("b", "c", "d");
    a.hear(suspect("b", 1, "x"), suspect("b", 1, "y"), suspect("b", 1, "z"));
    a.runAnswered(1_900);
    a.clear();
    a.run(1_700);
    const asked = a.sent.filter(
      ({ to, message }) =>
        to === "10.0.0.2:7946" && message.kind === "suspect" && message.from === "a",
    );
    assert.ok(asked.length >= 4, String(asked.length));
    a.hear(alive("b", 2));
    a.runAnswered(5_000);
    assert.equal(a.status("b"), "alive");
  });

  test("who says that we died long ago is told again that we live, once at a time", () => {
    const a = new Lone("b", "c");
    a.hear(suspect("a", 1));
    a.runAnswered(5_000);
    a.clear();
    a.hear(dead("a", 1));
    a.run(400);
    assert.ok(a.sentOf("alive").some(({ name, incarnation }) => name === "a" && incarnation === 2));
    assert.equal(a.gossip.status().incarnation, 2);
  });

  test("the dead are brought back by nothing but a higher incarnation", () => {
    const a = new Lone("b");
    a.hear(dead("b", 3), alive("b", 3), suspect("b", 9));
    assert.equal(a.status("b"), "failed");
    a.hear(alive("b", 4));
    assert.equal(a.status("b"), "alive");
    assert.deepEqual(a.story(), ["failed b", "join b"]);
  });

  test("the dead are told of for a while, and then no more", () => {
    const a = new Lone("b");
    a.hear(dead("b"));
    a.run(400);
    assert.ok(a.sent.some(({ to, message }) => to === "10.0.0.2:7946" && message.kind === "dead"));
    a.run(40_000);
    a.clear();
    a.hear(alive("c"));
    a.run(2_000);
    assert.ok(!a.sent.some(({ to }) => to === "10.0.0.2:7946"));
  });
});

describe("said of us", () => {
  test("suspected or called dead we answer with a higher incarnation, once for each", () => {
    for (const accusation of [suspect, dead]) {
      const a = new Lone("b");
      a.hear(accusation("a", 1));
      a.hear(accusation("a", 1), accusation("a", 1));
      assert.equal(a.gossip.status().incarnation, 2);
      assert.equal(a.gossip.status().healthScore, 1);
      a.run(400);
      assert.equal(a.sentOf("alive").find(({ name }) => name === "a")?.incarnation, 2);
      assert.equal(a.status("a"), "alive");
    }
  });

  test("our answer is above the accusation, however high that is", () => {
    const a = new Lone("b");
    a.hear(suspect("a", 700));
    assert.equal(a.gossip.status().incarnation, 701);
  });

  test("after a restart, the state of a peer lists our earlier life: we go above it", () => {
    for (const state of ["left", "suspect", "dead"] as const) {
      const a = new Lone();
      a.act((gossip) => gossip.join(addressOf(2)));
      const reply = pushPull([row("a", state, 7), row("b", "alive")]);
      a.act((gossip) => {
        gossip.step({
          kind: "stream-reply",
          stream: a.streams[0]?.stream ?? 0,
          message: reply,
        });
      });
      assert.equal(a.gossip.status().incarnation, 8, state);
      a.run(400);
      assert.ok(
        a.sentOf("alive").some(({ name, incarnation }) => name === "a" && incarnation === 8),
      );
    }
  });

  test("the same word of ours coming back is no accusation, one with other tags is", () => {
    const a = new Lone("b");
    const own = alive("a", 1);
    a.hear(own, own);
    assert.equal(a.counts.get("refuted"), undefined);
    a.hear({ ...own, meta: metaOf({ role: "old" }) });
    assert.equal(a.gossip.status().incarnation, 2);
    a.hear({ ...own, incarnation: 9, versions: VERSIONS });
    assert.equal(a.gossip.status().incarnation, 10);
  });

  test("new tags are told under a new incarnation", () => {
    const a = new Lone("b");
    a.act((gossip) => gossip.setTags({ role: "new" }));
    a.run(400);
    const told = a.sentOf("alive").find(({ incarnation }) => incarnation === 2);
    assert.deepEqual(told?.meta, metaOf({ role: "new" }));
    assert.deepEqual(a.story(), ["update a"]);
  });
});

describe("those who left", () => {
  const leave = (a: Lone, name: string): void => {
    a.hearSerf({ kind: "leave-intent", time: 5, name, prune: false });
    a.hear(dead(name, 1, name));
  };

  test("intent and last word make a leave; the word alone a failure; the intent alone is awaited", () => {
    const a = new Lone("b", "c", "d");
    leave(a, "b");
    a.hear(dead("c", 1, "c"));
    a.hearSerf({ kind: "leave-intent", time: 6, name: "d", prune: false });
    assert.deepEqual(
      ["b", "c", "d"].map((name) => a.status(name)),
      ["left", "failed", "leaving"],
    );
    a.hear(dead("d", 1, "x"));
    assert.equal(a.status("d"), "left");
  });

  test("the story of one who was cut off does not bring them back, however late it comes", () => {
    const a = new Lone("b", "c");
    leave(a, "b");
    for (const seconds of [10, 100, 10_000]) {
      a.runAnswered(seconds * 1_000);
      a.push(pushPull([row("b", "alive", 1)]));
      a.hear(alive("b", 1));
      assert.equal(a.status("b"), "left");
    }
    assert.deepEqual(a.story(), ["leave b"]);
  });

  test("one who came back with a low incarnation is told, and then believed", () => {
    const a = new Lone("b", "c");
    leave(a, "b");
    a.runAnswered(100_000);
    a.clear();
    a.hear(alive("b", 1), alive("b", 1));
    const told = a.sent.filter(({ to }) => to === "10.0.0.2:7946");
    assert.deepEqual(
      told.map(({ message }) => message).filter(({ kind }) => kind === "dead"),
      [dead("b", 1, "b")],
    );
    a.hear(alive("b", 2));
    assert.equal(a.status("b"), "alive");
  });

  test("after a day they are forgotten", () => {
    const a = new Lone("b");
    leave(a, "b");
    a.skip(86_500_000);
    a.run(10);
    assert.deepEqual(a.story(), ["leave b", "reap b"]);
    assert.equal(a.status("b"), undefined);
    assert.deepEqual(
      a.push(pushPull([]))?.members.map(({ name }) => name),
      ["a"],
    );
  });
});
