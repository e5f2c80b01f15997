/** Serf's half: intents, events, queries, the leave. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { IncomingQuery, KeyResponse, Query, QueryResponse } from "../index.ts";
import { addressOf, alive, dead, Lone, pushPull, row } from "../testing/lone.ts";

const payload = Uint8Array.of(1, 2, 3);
const nothing = new Uint8Array();

describe("intents", () => {
  const leave = (name: string, time: number, prune = false) =>
    ({ kind: "leave-intent", time, name, prune }) as const;
  const join = (name: string, time: number) => ({ kind: "join-intent", time, name }) as const;

  test("the newest counts, in whatever order they come", () => {
    const a = new Lone("b");
    a.hearSerf(leave("b", 5));
    assert.equal(a.status("b"), "leaving");
    a.hearSerf(join("b", 4));
    assert.equal(a.status("b"), "leaving");
    a.hearSerf(join("b", 6));
    assert.equal(a.status("b"), "alive");
    a.hearSerf(leave("b", 6));
    assert.equal(a.status("b"), "alive");
  });

  test("news are told on, old stories are not", () => {
    const a = new Lone("b", "c");
    a.hearSerf(leave("b", 5), leave("b", 5), join("b", 3));
    a.run(400);
    const told = [...a.sentSerf("leave-intent"), ...a.sentSerf("join-intent")];
    assert.deepEqual(new Set(told.map(({ time }) => time)), new Set([5]));
  });

  test("an intent that comes before its member is kept for five minutes", () => {
    for (const [ms, status] of [
      [200_000, "leaving"],
      [400_000, "alive"],
    ] as const) {
      const a = new Lone("b");
      a.hearSerf(leave("z", 9), leave("z", 8));
      a.runAnswered(ms);
      a.hear(alive("z"));
      assert.equal(a.status("z"), status);
    }
  });

  test("who failed can be declared to have left, and be forgotten with it", () => {
    const a = new Lone("b", "c");
    a.hear(dead("b"), dead("c"));
    a.hearSerf(leave("b", 9), leave("c", 9, true));
    assert.deepEqual(a.story(), ["failed b", "failed c", "leave b", "leave c", "reap c"]);
    assert.equal(a.status("b"), "left");
  });

  test("said to be leaving, we object at the current time", () => {
    const a = new Lone("b");
    a.hearSerf(leave("a", 41));
    a.run(400);
    const [objection] = a.sentSerf("join-intent");
    assert.ok((objection?.time ?? 0) > 41);
    assert.equal(a.status("a"), "alive");
  });

  test("force-leave: of whom we do not know, nothing; else everybody is told", () => {
    const a = new Lone("b");
    assert.equal(
      a.act((gossip) => gossip.forceLeave("z")),
      false,
    );
    a.hear(dead("b"));
    assert.equal(
      a.act((gossip) => gossip.forceLeave("b")),
      true,
    );
    assert.equal(a.status("b"), "left");
    a.hear(alive("c"));
    a.run(400);
    assert.equal(a.sentSerf("leave-intent")[0]?.name, "b");
  });
});

describe("push/pull", () => {
  test("who was suspect or dead to the peer is a suspect to us", () => {
    const a = new Lone("b", "c");
    a.push(pushPull([row("b", "dead"), row("c", "suspect"), row("d", "dead")]));
    assert.deepEqual(a.story(), ["suspected b", "suspected c"]);
  });

  test("the answer is what we knew before", () => {
    const a = new Lone("b");
    const answer = a.push(pushPull([row("c", "alive")]));
    assert.deepEqual(answer?.members.map(({ name, state }) => `${name} ${state}`).toSorted(), [
      "a alive",
      "b alive",
    ]);
    assert.equal(a.status("c"), "alive");
  });

  test("who left according to the peer has left, whatever order its lists have", () => {
    const a = new Lone("b", "c");
    const statusTimes = new Map([
      ["b", 7],
      ["c", 7],
    ]);
    a.push(
      pushPull([row("b", "left"), row("c", "alive")], { statusTimes, leftNames: ["b"], time: 8 }),
    );
    // The rows came first here, so b had failed before its reason was read.
    assert.deepEqual(a.story(), ["failed b", "leave b"]);
    assert.equal(a.gossip.status().clocks.time, 8);
  });

  test("events from before a join are delivered, unless they are not wanted", () => {
    for (const ignoreOld of [false, true]) {
      const a = new Lone();
      a.act((gossip) => gossip.join(addressOf(2), { ignoreOld }));
      const events = [{ time: 3, events: [{ name: "deploy", payload }] }];
      const message = pushPull([row("b", "alive")], { events, eventTime: 4 });
      a.act((gossip) => {
        gossip.step({ kind: "stream-reply", stream: a.streams[0]?.stream ?? 0, message });
      });
      assert.deepEqual(a.story(), ["join b", ...(ignoreOld ? [] : ["user"]), "joined"]);
    }
  });

  test("a join that fails says why", () => {
    const cases = [
      ["stream-failed", undefined, "refused"],
      ["stream-reply", { kind: "error", text: "no key" }, "no key"],
      ["stream-reply", { kind: "nack", text: "" }, "the answer is a ack"],
    ] as const;
    for (const [kind, reply, text] of cases) {
      const a = new Lone();
      const join = a.act((gossip) => gossip.join(addressOf(2)));
      a.act((gossip) => {
        if (kind === "stream-failed") gossip.step({ kind, stream: join, text });
        else if (reply.kind === "error") gossip.step({ kind, stream: join, message: reply });
        else {
          const message = { kind: "ack", sequence: 1, payload: null } as const;
          gossip.step({ kind, stream: join, message });
        }
      });
      assert.deepEqual(a.events, [{ kind: "join-failed", join, text }]);
    }
  });

  test("now and then, a state is exchanged with a living member", () => {
    const a = new Lone("b", "c");
    a.hear(dead("c"));
    a.clear();
    a.runAnswered(30_000);
    const exchanges = a.streams.filter(
      ({ message }) => message.kind === "push-pull" && !message.join,
    );
    assert.deepEqual(
      exchanges.map(({ to }) => to.ip[3]),
      [2],
    );
  });

  test("failed members are asked for again", () => {
    const a = new Lone("b");
    a.hear(dead("b"));
    a.run(60_000);
    const tries = a.streams.filter(({ message }) => message.kind === "push-pull");
    assert.ok(tries.length >= 1 && tries.every(({ to }) => to.ip[3] === 2));
  });
});

describe("user events", () => {
  const event = (time: number, name = "deploy") =>
    ({ kind: "user-event", time, name, payload, coalesce: false }) as const;

  test("each is delivered and told on once", () => {
    const a = new Lone("b");
    a.hearSerf(event(5), event(5), event(5, "other"), event(6));
    assert.equal(a.events.length, 3);
    a.hearSerf(event(5));
    assert.equal(a.events.length, 3);
  });

  test("what is older than everything remembered is not delivered", () => {
    const a = new Lone("b");
    a.hearSerf(event(1_000), event(400), event(600));
    assert.equal(a.events.length, 2);
    assert.equal(a.counts.get("event_too_old"), 1);
  });

  test("after a restart with its clocks, nothing is delivered again", () => {
    const a = new Lone("b", { clocks: { time: 1, eventTime: 50, queryTime: 1 } });
    a.hearSerf(event(49), event(50));
    assert.equal(a.events.length, 1);
  });

  test("ours is delivered to us too, and sent; one that is too long is refused", () => {
    const a = new Lone("b");
    a.act((gossip) => gossip.userEvent("deploy", payload, true));
    assert.deepEqual(a.story(), ["user"]);
    a.run(400);
    assert.deepEqual(a.sentSerf("user-event")[0]?.payload, payload);
    assert.throws(() => a.gossip.userEvent("x", new Uint8Array(512)), /at most 512/);
  });
});

describe("queries", () => {
  const query = (more: Partial<Query> = {}): Query => ({
    kind: "query",
    time: 5,
    id: 77,
    source: { name: "b", ...addressOf(2) },
    filters: [],
    ack: false,
    noBroadcast: false,
    relayFactor: 0,
    timeoutMs: 1_000,
    name: "uptime",
    payload,
    ...more,
  });
  const asked = (a: Lone): IncomingQuery[] =>
    a.events.flatMap((event) =>
      event.kind === "query" || event.kind === "key-request" ? [event.query] : [],
    );

  test("asked, we answer to where it came from, once and in time", () => {
    const a = new Lone("b");
    a.hearSerf(query(), query());
    const [first, ...others] = asked(a);
    assert.ok(first !== undefined && others.length === 0);
    a.act((gossip) => gossip.respond(first, payload));
    assert.equal(a.sent[0]?.to, "10.0.0.2:7946");
    const [answer] = a.sentSerf("query-response");
    assert.deepEqual(answer, {
      kind: "query-response",
      time: 5,
      id: 77,
      from: "a",
      ack: false,
      payload,
    });
    assert.throws(() => a.gossip.respond(first, payload), /answered before/);
    a.hearSerf(query({ time: 6 }));
    const [, late] = asked(a);
    a.run(1_010);
    assert.throws(() => late && a.gossip.respond(late, payload), /over/);
  });

  test("an ack is given when asked for, also to Serf's own queries", () => {
    const a = new Lone("b");
    a.hearSerf(query({ ack: true, name: "_serf_ping" }));
    assert.deepEqual(asked(a), []);
    assert.equal(a.sentSerf("query-response")[0]?.ack, true);
  });

  test("filters by name and by tag; what does not match is still told on", () => {
    const cases = [
      [[{ kind: "names", names: ["a", "z"] }], 1],
      [[{ kind: "names", names: ["z"] }], 0],
      [[{ kind: "tag", tag: "role", expression: "^a$" }], 1],
      [[{ kind: "tag", tag: "role", expression: "^b" }], 0],
      [[{ kind: "tag", tag: "none", expression: "." }], 0],
      [[{ kind: "tag", tag: "role", expression: "(" }], 0],
    ] as const;
    for (const [filters, count] of cases) {
      const a = new Lone("b");
      a.hearSerf(query({ filters }));
      assert.equal(asked(a).length, count, JSON.stringify(filters));
      a.run(400);
      assert.ok(a.sentSerf("query").length > 0);
    }
    const a = new Lone("b");
    a.hearSerf(query({ noBroadcast: true }));
    a.run(400);
    assert.equal(a.sentSerf("query").length, 0);
  });

  test("an answer is sent through others too, and we pass on what is relayed", () => {
    const a = new Lone("b", "c", "d", "e");
    a.hearSerf(query({ relayFactor: 2 }));
    const [first] = asked(a);
    a.act((gossip) => first && gossip.respond(first, payload));
    assert.equal(a.sentSerf("relay").length, 2);
    assert.equal(a.sentSerf("query-response").length, 1);

    const b = new Lone();
    const message = { kind: "join-intent", time: 1, name: "x" } as const;
    b.hearSerf({ kind: "relay", destination: { name: "c", ...addressOf(3) }, message });
    assert.deepEqual(b.sent, [{ to: "10.0.0.3:7946", message: { kind: "user", message } }]);
  });

  test("our own: acks and answers of known members, each once, until it is over", () => {
    const a = new Lone("b", "c");
    const number = a.act((gossip) =>
      gossip.query({ name: "uptime", payload, ack: true, timeoutMs: 1_000 }),
    );
    a.run(400);
    const [sent] = a.sentSerf("query");
    const response = (from: string, ack: boolean, id = sent?.id ?? 0): QueryResponse => {
      return { kind: "query-response", time: number, id, from, ack, payload };
    };
    a.hearSerf(response("b", true), response("b", true), response("b", false));
    a.hearSerf(response("b", false), response("zzz", false), response("c", false, 1));
    a.run(700);
    a.hearSerf(response("c", false));
    const heard = a.events.flatMap((event) => {
      if (event.kind === "query-ack" || event.kind === "query-response") {
        return [`${event.kind} ${event.from}`];
      }
      return event.kind === "query-done" ? [event.kind] : [];
    });
    assert.deepEqual(heard, ["query-ack a", "query-ack b", "query-response b", "query-done"]);
    assert.equal(a.counts.get("response_unknown"), 3);
  });

  test("a key query is handed to the driver, and its answer goes back", () => {
    const a = new Lone("b");
    const key = new Uint8Array(32);
    const request = a.codec.encodeSerf({ kind: "key-request", key });
    a.hearSerf(query({ name: "_serf_install-key", payload: request }));
    a.hearSerf(query({ name: "_serf_list-keys", payload: nothing, id: 78 }));
    a.hearSerf(query({ name: "_serf_use-key", payload, id: 79 }));
    a.hearSerf(query({ name: "_serf_unheard-of", payload, id: 80 }));
    const wanted = a.events.flatMap((event) =>
      event.kind === "key-request" ? [[event.operation, event.key.length]] : [],
    );
    assert.deepEqual(wanted, [
      ["install", 32],
      ["list", 0],
    ]);
    const response: KeyResponse = {
      kind: "key-response",
      ok: true,
      text: "",
      keys: ["k"],
      primaryKey: "k",
    };
    const [first] = asked(a);
    a.act((gossip) => first && gossip.respondKey(first, response));
    const [answer] = a.sentSerf("query-response");
    assert.deepEqual(a.codec.decodeSerf(answer?.payload ?? nothing), response);
  });
});

describe("a name that two claim", () => {
  const claim = alive("a", 9, { address: addressOf(66) });

  function voted(a: Lone, votes: readonly (number | null)[], isOtherThere = true): string[] {
    a.hear(claim);
    const ping = a.sent.find(({ to, message }) => message.kind === "ping" && to.includes(".66:"));
    assert.ok(ping?.message.kind === "ping" && ping.message.name === "a");
    if (isOtherThere) a.hear({ kind: "ack", sequence: ping.message.sequence, payload: null });
    a.run(400);
    const [query] = a.sentSerf("query");
    assert.equal(query?.name, "_serf_conflict");
    for (const [index, vote] of votes.entries()) {
      const { address, versions } = alive("a");
      const member =
        vote === null
          ? null
          : ({
              name: "a",
              address: { ...address, ip: addressOf(vote).ip },
              tags: {},
              status: "alive",
              versions,
            } as const);
      a.hearSerf({
        kind: "query-response",
        time: query.time,
        id: query.id,
        from: ["b", "c", "d"][index] ?? "",
        ack: false,
        payload: a.codec.encodeSerf({ kind: "conflict-response", member }),
      });
    }
    a.run(10_000);
    return a.story().filter((line) => line === "conflict-lost");
  }

  test("the majority's word decides; nobody's word changes nothing", () => {
    const cases: readonly [votes: (number | null)[], lost: boolean][] = [
      [[1, 1, 66], false],
      [[1, 66, 66], true],
      [[1, 66], true],
      [[null], true],
      [[], false],
    ];
    for (const [votes, lost] of cases) {
      assert.equal(voted(new Lone("b", "c", "d"), votes).length > 0, lost, votes.join());
    }
  });

  test("where nobody answers, the other was our former self: nobody stops", () => {
    assert.deepEqual(voted(new Lone("b", "c", "d"), [66, 66, 66], false), []);
  });

  test("a flood of claims calls one vote, and our address stays", () => {
    const a = new Lone("b");
    for (let count = 0; count < 1_000; count++) a.hear(claim);
    a.run(2_000);
    assert.equal(new Set(a.sentSerf("query").map(({ id }) => id)).size, 1);
    assert.equal(a.counts.get("name_conflict"), 1_000);
    assert.equal(a.gossip.members()[0]?.address.ip[3], 1);
  });

  test("we vote on others' names and not on ours", () => {
    for (const name of ["a", "b", "z"] as const) {
      const a = new Lone("b", "c");
      a.hearSerf({
        kind: "query",
        time: 5,
        id: 1,
        source: { name: "c", ...addressOf(3) },
        filters: [],
        ack: false,
        noBroadcast: false,
        relayFactor: 0,
        timeoutMs: 1_000,
        name: "_serf_conflict",
        payload: new TextEncoder().encode(name),
      });
      const [answer] = a.sentSerf("query-response");
      const vote = a.codec.decodeSerf(answer?.payload ?? nothing);
      const owner = vote?.kind === "conflict-response" ? vote.member?.name : "nobody was asked";
      assert.equal(owner, { a: "nobody was asked", b: "b", z: undefined }[name]);
    }
  });
});

describe("leaving", () => {
  test("first the intent, a pause, then the last word, and probes are answered to the end", () => {
    const a = new Lone("b", "c");
    const told: [ms: number, kind: string][] = [];
    a.act((gossip) => gossip.leave());
    for (let ms = 0; ms < 8_000; ms += 10) {
      a.clear();
      a.runAnswered(10);
      if (ms % 500 === 0) a.hear({ kind: "ping", sequence: ms, name: "a" });
      if (a.sentSerf("leave-intent").length > 0) told.push([ms, "intent"]);
      if (a.sentOf("dead").length > 0) told.push([ms, "dead"]);
      if (a.story().includes("left")) told.push([ms, "left"]);
      assert.equal(a.sentOf("ack").length, ms % 500 === 0 ? 1 : 0);
    }
    const first = (kind: string): number => told.find((each) => each[1] === kind)?.[0] ?? NaN;
    const intents = told.filter(([ms, kind]) => kind === "intent" && ms < first("dead"));
    assert.ok(first("dead") - (intents.at(-1)?.[0] ?? NaN) >= 790, told.join(" "));
    assert.ok(first("left") - first("dead") >= 1_000, told.join(" "));
    // Whoever asks after that gets both words with the answer.
    assert.ok(told.some(([ms, kind]) => kind === "intent" && ms > first("left")));
    assert.deepEqual(a.gossip.status().phase, "left");
  });

  test("our own last word, and what others say then, does not bring us back", () => {
    const a = new Lone("b", "c");
    a.act((gossip) => gossip.leave());
    a.runAnswered(3_000);
    assert.equal(a.status("a"), "left");
    a.hear(dead("a", 1, "a"), dead("a", 9, "x"), dead("a", 1, "x"), alive("a", 20));
    a.hearSerf({ kind: "leave-intent", time: 99, name: "a", prune: false });
    a.runAnswered(10_000);
    assert.equal(a.status("a"), "left");
    assert.equal(a.counts.get("refuted"), undefined);
    assert.equal(a.sentSerf("join-intent").length, 0);
  });

  test("alone it takes a second", () => {
    const a = new Lone();
    a.act((gossip) => gossip.leave());
    a.run(1_010);
    assert.deepEqual(a.story(), ["leave a", "left"]);
  });
});
