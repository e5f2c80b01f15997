/** The failure detector (SWIM, section 3.1; Lifeguard, section IV-A). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { addressOf, alive, Lone, suspect } from "../testing/lone.ts";

/** Runs until `a` has sent the first ping of a probe. */
function untilPing(a: Lone): {
  readonly sequence: number;
  readonly name: string;
} {
  for (let ms = 0; ms < 3_000; ms += 10) {
    a.run(10);
    const ping = a.sentOf("ping").at(-1);
    if (ping !== undefined) return ping;
  }
  throw new Error("nobody was probed");
}

describe("a probe", () => {
  test("answered in time says how long it took, and nobody else is asked", () => {
    const a = new Lone("b", "c");
    const { sequence, name } = untilPing(a);
    a.run(100);
    a.hear({ kind: "ack", sequence, payload: null });
    assert.ok(
      a.events.some(
        (event) => event.kind === "probed" && event.name === name && event.latencyTicks === 10,
      ),
    );
    a.run(500);
    assert.equal(a.sentOf("indirect-ping").length, 0);
    assert.equal(a.streams.length, 0);
  });

  test("unanswered for half a second: three others are asked, and TCP is tried", () => {
    const a = new Lone("b", "c", "d", "e", "f");
    const { name } = untilPing(a);
    a.run(490);
    assert.equal(a.sentOf("indirect-ping").length, 0);
    a.run(10);
    const asked = a.sent.filter(({ message }) => message.kind === "indirect-ping");
    assert.equal(new Set(asked.map(({ to }) => to)).size, 3);
    assert.ok(a.sentOf("indirect-ping").every((request) => request.name === name && request.nack));
    assert.equal(a.streams[0]?.message.kind, "ping");
    assert.equal(a.streams[0].timeoutMs, 500);
  });

  test("from then on we ask again ourselves too, and any answer counts", () => {
    const a = new Lone("b", "c");
    const { sequence } = untilPing(a);
    a.run(990);
    assert.deepEqual(
      a.sentOf("ping").map((ping) => ping.sequence),
      Array.from({ length: 5 }, () => sequence),
    );
    a.hear({ kind: "ack", sequence, payload: null });
    a.run(10);
    assert.deepEqual(a.story(), []);
  });

  test("answered through another, late, it is still a success", () => {
    const a = new Lone("b", "c", "d");
    const { sequence } = untilPing(a);
    a.run(900);
    a.hear({ kind: "ack", sequence, payload: null });
    a.run(100);
    assert.deepEqual(a.story(), []);
  });

  test("answered by nobody: the member is suspected; all nacks clear us, missing ones speak against us", () => {
    for (const nacks of [0, 1, 3]) {
      const a = new Lone("b", "c", "d", "e");
      const { sequence, name } = untilPing(a);
      a.run(600);
      for (let count = 0; count < nacks; count++) a.hear({ kind: "nack", sequence });
      a.run(400);
      assert.deepEqual(a.story(), [`suspected ${name}`]);
      assert.equal(a.gossip.status().healthScore, 3 - nacks);
    }
  });

  test("with nobody to ask, our own health suffers by one", () => {
    const a = new Lone("b");
    untilPing(a);
    a.run(1_000);
    assert.deepEqual(a.story(), ["suspected b"]);
    assert.equal(a.gossip.status().healthScore, 1);
  });

  test("of bad health we wait longer before we accuse", () => {
    const a = new Lone("b", "c", "d", "e", "f");
    a.hear(suspect("a", 1), suspect("a", 2), suspect("a", 3));
    assert.equal(a.gossip.status().healthScore, 3);
    untilPing(a);
    a.run(3_900);
    assert.deepEqual(a.story(), []);
    a.run(200);
    assert.match(a.story().join(), /suspected/);
  });

  test("only TCP answers: nobody is suspected, and it is told", () => {
    const a = new Lone("b");
    const { sequence } = untilPing(a);
    a.run(510);
    const { stream } = a.streams[0] ?? { stream: 0 };
    const message = { kind: "ack", sequence, payload: null } as const;
    a.act((gossip) => gossip.step({ kind: "stream-reply", stream, message }));
    a.run(490);
    assert.deepEqual(a.story(), ["tcp-only b"]);
    assert.equal(a.status("b"), "alive");
  });

  test("a stranger's answer over TCP is none", () => {
    const a = new Lone("b");
    const { sequence } = untilPing(a);
    a.run(510);
    const { stream } = a.streams[0] ?? { stream: 0 };
    const message = {
      kind: "ack",
      sequence: sequence + 1,
      payload: null,
    } as const;
    a.act((gossip) => gossip.step({ kind: "stream-reply", stream, message }));
    a.run(490);
    assert.deepEqual(a.story(), ["suspected b"]);
  });

  test("whom we suspect we tell so, twice a second, until it refutes", () => {
    const a = new Lone("b", "c", "d");
    const { name } = untilPing(a);
    a.run(1_000);
    a.clear();
    a.run(2_000);
    const told = a.sent.filter(
      ({ message }) => message.kind === "suspect" && message.name === name,
    );
    const to = `10.0.0.${name.charCodeAt(0) - 96}:7946`;
    assert.ok(told.filter((each) => each.to === to).length >= 4);
    a.hear(alive(name, 2));
    a.run(1_000);
    a.clear();
    a.runAnswered(3_000);
    assert.ok(!a.sent.some(({ message }) => message.kind === "suspect" && message.name === name));
  });

  test("a suspect is told of its suspicion with the ping", () => {
    const a = new Lone("b");
    a.hear(suspect("b", 1, "x"));
    a.run(5_000);
    a.clear();
    a.hear(alive("b", 2), suspect("b", 2, "y"));
    a.run(2_500);
    const messages = a.sent.map(({ message }) => message);
    const at = messages.findIndex((each) => each.kind === "suspect" && each.from === "a");
    assert.deepEqual(messages[at], suspect("b", 2, "a"));
    assert.equal(messages[at + 1]?.kind, "ping");
  });
});

describe("asked", () => {
  test("a ping is answered where it says, else where it came from, and only if it means us", () => {
    const a = new Lone();
    a.hear({ kind: "ping", sequence: 1, name: "a" });
    a.hear({ kind: "ping", sequence: 2, name: "" });
    a.hear({ kind: "ping", sequence: 3, name: "b" });
    const source = { name: "c", ...addressOf(3) };
    a.hear({ kind: "ping", sequence: 4, name: "a", source });
    const acks = a.sent.flatMap(({ to, message }) =>
      message.kind === "ack" ? [[to, message.sequence]] : [],
    );
    assert.deepEqual(acks, [
      ["10.0.0.99:7946", 1],
      ["10.0.0.99:7946", 2],
      ["10.0.0.3:7946", 4],
    ]);
  });

  test("over TCP as well", () => {
    const a = new Lone();
    const from = addressOf(9);
    for (const [stream, name] of ["a", "b"].entries()) {
      const message = { kind: "ping", sequence: 5, name } as const;
      a.act((gossip) => gossip.step({ kind: "stream", stream, from, message }));
    }
    assert.deepEqual(
      a.replies.map(({ message }) => message?.kind),
      ["ack", undefined],
    );
  });

  test("we probe for others: its ack goes back under their number, and else a nack", () => {
    const request = {
      kind: "indirect-ping",
      sequence: 77,
      target: addressOf(2),
      name: "b",
      nack: true,
      source: { name: "c", ...addressOf(3) },
    } as const;
    const a = new Lone();
    a.hear(request);
    const [ping] = a.sentOf("ping");
    assert.equal(a.sent[0]?.to, "10.0.0.2:7946");
    a.hear({ kind: "ack", sequence: ping?.sequence ?? 0, payload: null });
    assert.deepEqual(
      a.sent.filter(({ message }) => message.kind === "ack"),
      [
        {
          to: "10.0.0.3:7946",
          message: { kind: "ack", sequence: 77, payload: null },
        },
      ],
    );

    const b = new Lone();
    b.hear(request, { ...request, sequence: 78, nack: false });
    b.run(490);
    assert.equal(b.sentOf("nack").length, 0);
    b.run(20);
    assert.deepEqual(b.sentOf("nack"), [{ kind: "nack", sequence: 77 }]);
  });
});
