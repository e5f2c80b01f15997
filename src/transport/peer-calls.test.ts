import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { limits, ProglogError } from "../base/index.ts";
import { PeerCalls } from "./peer-calls.ts";
import type { Hello } from "./peer-hello.ts";
import { ManualClock, PeerServer, until } from "./testing/peer-server.ts";
import type { PeerServerOptions } from "./testing/peer-server.ts";

interface Caller {
  readonly server: PeerServer;
  readonly calls: PeerCalls;
  readonly member: { readonly name: string; readonly replicaId: number };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);
const PATIENT = { timeoutMs: 10_000 };

function caller(
  t: TestContext,
  ports: Map<string, number>,
  name: string,
  options: Partial<PeerServerOptions> & { readonly calls?: { readonly clock: ManualClock } } = {},
): Caller {
  const early: { calls?: PeerCalls } = {};
  const replicaId = name.length;
  const server = new PeerServer(ports, {
    name,
    replicaId,
    ...options,
    handle: (message, hello) => {
      if (message.kind === "call" || message.kind === "reply") early.calls?.receive(message, hello);
    },
  });
  const calls = new PeerCalls({
    links: server.links,
    identity: () => server.identity,
    log: "default",
    ...options.calls,
  });
  early.calls = calls;
  t.after(async () => {
    calls.close();
    await server.close();
  });
  return { server, calls, member: { name, replicaId } };
}

/** Two servers that do not know each other yet. */
async function pair(
  t: TestContext,
  options: Parameters<typeof caller>[3] = {},
): Promise<[a: Caller, b: Caller]> {
  const ports = new Map<string, number>();
  const both: [Caller, Caller] = [caller(t, ports, "a", options), caller(t, ports, "bb", options)];
  await Promise.all(both.map(({ server }) => server.listen()));
  return both;
}

describe("calls between servers", () => {
  test("a question and its answer, also of those who belong to no cluster yet", async (t) => {
    for (const clusterId of [undefined, ""]) {
      const identity = clusterId === undefined ? {} : { clusterId };
      const [a, b] = await pair(t, { identity });
      b.calls.handle("bootstrapAsk", (payload, from) => bytes(`${text(payload)}, ${from.name}`));
      const answer = await a.calls.call(b.member, "bootstrapAsk", bytes("hello"), PATIENT);
      assert.equal(text(answer), "hello, a");
      // They found each other by the call; the way back is the same.
      a.calls.handle("bootstrapGrant", () => bytes("granted"));
      const granted = b.calls.call(a.member, "bootstrapGrant", bytes(""), PATIENT);
      assert.equal(text(await granted), "granted");
    }
  });

  test("many at once, each with its own answer, whoever is answered first", async (t) => {
    const [a, b] = await pair(t);
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    b.calls.handle("bootstrapAsk", async (payload) => {
      if (text(payload) === "0") await gate;
      return payload;
    });
    const order: string[] = [];
    const asked = ["0", "1", "2", "3"].map(async (word) => {
      order.push(text(await a.calls.call(b.member, "bootstrapAsk", bytes(word), PATIENT)));
    });
    await Promise.all(asked.slice(1));
    release();
    await asked[0];
    assert.deepEqual(order.toSorted(), ["0", "1", "2", "3"]);
    assert.equal(order.at(-1), "0");
  });

  test("what a handler throws arrives as it was thrown", async (t) => {
    const [a, b] = await pair(t);
    const details = { leader: "bb" };
    b.calls.handle("bootstrapAsk", () => {
      throw new ProglogError("NOT_LEADER", "not here", { details, notAppended: true });
    });
    const call = a.calls.call(b.member, "bootstrapAsk", bytes(""), PATIENT);
    await assert.rejects(call, { code: "NOT_LEADER", message: "not here", notAppended: true });
    await assert.rejects(a.calls.call(b.member, "forwardAppends", bytes(""), PATIENT), {
      code: "UNKNOWN_METHOD",
      notAppended: true,
    });
  });

  test("what never left is known not to have been done, what was on its way is not", async (t) => {
    const [a, b] = await pair(t);
    const nobody = { name: "nowhere", replicaId: 77 };
    await assert.rejects(a.calls.call(nobody, "bootstrapAsk", bytes(""), PATIENT), {
      code: "UNAVAILABLE",
      notAppended: true,
    });
    let asked = false;
    b.calls.handle("bootstrapAsk", () => {
      asked = true;
      return new Promise(() => undefined);
    });
    const call = a.calls.call(b.member, "bootstrapAsk", bytes(""), PATIENT);
    await until(() => asked);
    await b.server.vanish();
    await assert.rejects(call, { code: "UNAVAILABLE", notAppended: false });
  });

  test("time and signals end the waiting, and what comes later is ignored", async (t) => {
    const clock = new ManualClock();
    const [a, b] = await pair(t, { calls: { clock } });
    const answers: (() => void)[] = [];
    b.calls.handle("bootstrapAsk", async (payload) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return payload;
    });
    const late = a.calls.call(b.member, "bootstrapAsk", bytes("late"), { timeoutMs: 100 });
    const given = new AbortController();
    const { signal } = given;
    const up = a.calls.call(b.member, "bootstrapAsk", bytes("up"), { ...PATIENT, signal });
    await until(() => answers.length === 2);
    clock.advance(100);
    given.abort();
    await assert.rejects(late, { code: "DEADLINE_EXCEEDED", notAppended: false });
    await assert.rejects(up, { code: "CANCELLED", notAppended: false });
    for (const answer of answers) answer();
    const third = a.calls.call(b.member, "bootstrapAsk", bytes("third"), PATIENT);
    await until(() => answers.length === 3);
    answers[2]?.();
    assert.equal(text(await third), "third");
    await assert.rejects(
      a.calls.call(b.member, "bootstrapAsk", bytes(""), { ...PATIENT, signal }),
      {
        code: "CANCELLED",
        notAppended: true,
      },
    );
  });

  test("who was away and asks is answered at once, however long he was not to be reached", async (t) => {
    const clock = new ManualClock();
    const ports = new Map<string, number>();
    const a = caller(t, ports, "a");
    const b = caller(t, ports, "bb", { clock });
    await Promise.all([a.server.listen(), b.server.listen()]);
    await b.server.connected(a.server);
    await a.server.vanish();
    // From now on it would dial again when its clock says so, which is never.
    await until(() => !b.server.links.isOpen(a.member.replicaId));
    await a.server.listen();
    b.calls.handle("bootstrapAsk", (payload) => payload);
    const answer = await a.calls.call(b.member, "bootstrapAsk", bytes("again"), PATIENT);
    assert.equal(text(answer), "again");
  });

  test("a reply of somebody who was not asked is none", async (t) => {
    const [a, b] = await pair(t);
    let answer = (): void => undefined;
    let number = 0;
    b.calls.handle("bootstrapAsk", async (payload) => {
      await new Promise<void>((resolve) => (answer = resolve));
      return payload;
    });
    const call = a.calls.call(b.member, "bootstrapAsk", bytes("mine"), PATIENT);
    await until(() => b.server.received.length === 1);
    for (const message of b.server.received) if (message.kind === "call") number = message.call;
    const forged = { kind: "reply", log: "default", call: number, status: 0 } as const;
    const stranger = { from: b.server.identity } as Hello;
    a.calls.receive({ ...forged, from: 99, to: 1, payload: bytes("forged") }, stranger);
    answer();
    assert.equal(text(await call), "mine");
  });

  test("of one server so many are answered at once, and no more", async (t) => {
    const [a, b] = await pair(t);
    let running = 0;
    const waiting: (() => void)[] = [];
    b.calls.handle("bootstrapAsk", async (payload) => {
      running += 1;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return payload;
    });
    await a.server.connected(b.server);
    const ask = (): Promise<Uint8Array> =>
      a.calls.call(b.member, "bootstrapAsk", bytes(""), PATIENT);
    const calls: Promise<Uint8Array>[] = [];
    for (let at = 0; at < limits.peerCallsServedMax; at++) {
      calls.push(ask());
      await until(() => running === at + 1);
    }
    await assert.rejects(ask(), { code: "RESOURCE_EXHAUSTED", notAppended: true });
    for (const resolve of waiting) resolve();
    await Promise.all(calls);
    const next = ask();
    await until(() => running === limits.peerCallsServedMax + 1);
    waiting.at(-1)?.();
    await next;
  });

  test("an end of all ends what waits", async (t) => {
    const [a, b] = await pair(t);
    b.calls.handle("bootstrapAsk", () => new Promise(() => undefined));
    const call = a.calls.call(b.member, "bootstrapAsk", bytes(""), PATIENT);
    await until(() => b.server.received.length === 1);
    a.calls.close();
    await assert.rejects(call, { code: "UNAVAILABLE", notAppended: false });
    const after = a.calls.call(b.member, "bootstrapAsk", bytes(""), PATIENT);
    await assert.rejects(after, { code: "UNAVAILABLE", notAppended: true });
  });
});
