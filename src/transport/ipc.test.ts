/** Serf's agent RPC without Serf; with its own tools it is spoken in `test/system/serf.system.ts`. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { decodeMulti } from "@msgpack/msgpack";
import { startMember } from "../../test/support/memberships.ts";
import type { RunningMember } from "../../test/support/memberships.ts";
import { silentObserver, systemClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { encodeValue } from "./gossip-msgpack.ts";
import type { Encodable } from "./gossip-msgpack.ts";
import { IpcClient, IpcLog, IpcServer } from "./index.ts";

interface Running {
  readonly member: RunningMember;
  readonly log: IpcLog;
  readonly port: number;
}

async function start(t: TestContext, authKey?: string, clock?: Clock): Promise<Running> {
  const member = await startMember(t, "one", { tags: { role: "x" } });
  const log = new IpcLog(silentObserver, systemClock);
  const { membership } = member;
  const options = { host: "127.0.0.1", port: 0, membership, log, authKey, clock };
  const server = await IpcServer.listen(options);
  t.after(() => server.close());
  return { member, log, port: server.port };
}

/** A tool of somebody else: writes values, and reads them with another library. */
class Tool {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(t: TestContext, port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk) => (this.#bytes = Buffer.concat([this.#bytes, chunk])));
    this.#socket.on("error", () => undefined);
    t.after(() => this.#socket.destroy());
  }

  get closed(): Promise<unknown> {
    return once(this.#socket, "close");
  }

  send(...values: readonly Encodable[]): void {
    for (const value of values) this.#socket.write(encodeValue(value));
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Everything that came so far, once it is so many values. */
  async values(count: number): Promise<Record<string, unknown>[]> {
    for (;;) {
      try {
        const values = [...decodeMulti(this.#bytes)] as Record<string, unknown>[];
        if (values.length >= count) return values;
      } catch {
        // Not whole yet.
      }
      await once(this.#socket, "data");
    }
  }
}

const HELLO = [{ Command: "handshake", Seq: 0 }, { Version: 1 }] as const;

describe("Serf's agent RPC", () => {
  test("members and events, by our own client", async (t) => {
    const { member, port } = await start(t);
    await using client = await IpcClient.connect({ host: "127.0.0.1", port, timeoutMs: 5_000 });
    const [one] = await client.members();
    const at = { host: "127.0.0.1", port: member.port };
    assert.deepEqual(one, { name: "one", ...at, status: "alive", tags: { role: "x" } });
    const told: string[] = [];
    member.membership.subscribe((event) => {
      if (event.kind === "user")
        told.push(`${event.name} ${Buffer.from(event.payload).toString()}`);
    });
    await client.event("deploy", Buffer.from("now"), false);
    assert.deepEqual(told, ["deploy now"]);
    const long = client.event("x".repeat(600), new Uint8Array(0), false);
    await assert.rejects(long, { code: "INVALID_ARGUMENT" });
  });

  test("a greeting comes first, and a token where one is asked for", async (t) => {
    const { port } = await start(t, "token");
    const tool = new Tool(t, port);
    tool.send({ Command: "members", Seq: 1 }, { Command: "handshake", Seq: 2 }, { Version: 2 });
    tool.send(
      ...HELLO,
      { Command: "members", Seq: 3 },
      { Command: "auth", Seq: 4 },
      { AuthKey: "x" },
    );
    tool.send({ Command: "auth", Seq: 5 }, { AuthKey: "token" }, { Command: "nonsense", Seq: 6 });
    const errors = (await tool.values(7)).map(({ Error }) => Error);
    assert.deepEqual(errors, [
      "Handshake required",
      "Unsupported IPC version",
      "",
      "Authentication required",
      "Invalid authentication token",
      "",
      "Unsupported command",
    ]);
    const options = { host: "127.0.0.1", port, timeoutMs: 5_000 };
    await assert.rejects(IpcClient.connect({ ...options, authKey: "wrong" }), {
      code: "UNAUTHENTICATED",
    });
    await using client = await IpcClient.connect({ ...options, authKey: "token" });
    assert.equal((await client.members()).length, 1);
  });

  test("events and lines are followed until they are stopped; queries are answered", async (t) => {
    const { member, log, port } = await start(t);
    const tool = new Tool(t, port);
    log.log("info", "before", { n: 1 });
    log.log("debug", "hidden");
    tool.send(...HELLO, { Command: "monitor", Seq: 1 }, { LogLevel: "INFO" });
    tool.send({ Command: "stream", Seq: 2 }, { Type: "user:deploy,query" });
    await tool.values(5);
    log.log("error", "after");
    member.membership.userEvent("other", new Uint8Array(0));
    member.membership.userEvent("deploy", Buffer.from("x"));
    const all = await tool.values(9);
    const lines = all.flatMap(({ Log }) => (typeof Log === "string" ? [Log] : []));
    assert.match(
      lines.join("\n"),
      /^\S+ \S+ \[INFO\] proglog: before n=1\n.*\[ERR\] proglog: after$/,
    );
    const user = all.find(({ Event }) => Event === "user");
    assert.equal(user?.["Name"], "deploy");

    const answers = member.membership.query({ name: "ask", payload: new Uint8Array(0) });
    const asked = (await tool.values(11)).at(-1);
    assert.equal(asked?.["Event"], "query");
    tool.send({ Command: "respond", Seq: 3 }, { ID: asked["ID"] as number, Payload: "yes" });
    for await (const answer of answers) {
      assert.equal(answer.kind === "response" && Buffer.from(answer.payload).toString(), "yes");
      break;
    }
    tool.send({ Command: "respond", Seq: 4 }, { ID: asked["ID"] as number, Payload: "again" });
    tool.send({ Command: "stop", Seq: 5 }, { Stop: 2 }, { Command: "stop", Seq: 6 }, { Stop: 1 });
    const [, again, ...stops] = (await tool.values(15)).slice(11);
    assert.equal(again?.["Error"], "No such query");
    assert.deepEqual(
      stops.map(({ Error }) => Error),
      ["", ""],
    );
  });

  test("what is no request, or too long, is cut; others go on", async (t) => {
    const { port } = await start(t);
    const [noise, long] = [new Tool(t, port), new Tool(t, port)];
    noise.raw(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    long.raw(Buffer.concat([Uint8Array.of(0x81, 0xdb, 0x7f, 0, 0, 0), Buffer.alloc(70_000)]));
    await Promise.all([noise.closed, long.closed]);
    await using client = await IpcClient.connect({ host: "127.0.0.1", port, timeoutMs: 5_000 });
    assert.equal((await client.members()).length, 1);
  });

  test("who asks and does not read the answers is not heard further, and the others are", async (t) => {
    const { member, port } = await start(t);
    const { membership } = member;
    // Each answer is a few kilobytes, so that the requests are many times smaller.
    for (let n = 0; n < 3; n++) membership.setTags({ role: "x".repeat(400) });
    let asked = 0;
    const members = membership.members.bind(membership);
    t.mock.method(membership, "members", () => {
      asked += 1;
      return Array.from({ length: 40 }, () => members()).flat();
    });
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    for (const value of HELLO) socket.write(encodeValue(value));
    const request = (n: number): Uint8Array => encodeValue({ Command: "members", Seq: n });
    const many = Array.from({ length: 2_000 }, (_, n) => request(n));
    socket.pause();
    socket.write(Buffer.concat(many));
    await using other = await IpcClient.connect({ host: "127.0.0.1", port, timeoutMs: 5_000 });
    for (let before = -1; before < asked;) {
      before = asked;
      await other.members();
      await other.members();
      before += 2;
    }
    const held = asked;
    assert.ok(held < 1_000, `${held} answers wait for one who reads none`);
    socket.resume();
    while (asked < 2_000) await once(socket, "data");
  });

  test("who does not greet, or has not the token, is cut after a while", async (t) => {
    const due: (() => void)[] = [];
    const after: Clock["after"] = (_ms, run) => {
      due.push(run);
      return () => undefined;
    };
    const { port } = await start(t, "token", { ...systemClock, after });
    const [silent, wrong, right] = [new Tool(t, port), new Tool(t, port), new Tool(t, port)];
    for (const [tool, token] of [
      [wrong, "tokem"],
      [right, "token"],
    ] as const) {
      tool.send(...HELLO, { Command: "auth", Seq: 1 }, { AuthKey: token });
      await tool.values(2);
    }
    const cut = Promise.all([silent.closed, wrong.closed]);
    while (due.length < 3) await new Promise(setImmediate);
    for (const run of due) run();
    await cut;
    right.send({ Command: "members", Seq: 2 });
    assert.equal((await right.values(4)).length, 4);
  });

  test("only loopback may have it, and a port that is taken is named", async (t) => {
    const { member, log, port } = await start(t);
    const { membership } = member;
    const open = { host: "0.0.0.0", port: 0, membership, log };
    await assert.rejects(IpcServer.listen(open), { code: "CONFIGURATION" });
    const taken = { host: "127.0.0.1", port, membership, log };
    await assert.rejects(IpcServer.listen(taken), { code: "ADDRESS_IN_USE" });
    const nobody = IpcClient.connect({ host: "127.0.0.1", port: 1, timeoutMs: 1_000 });
    await assert.rejects(nobody, { code: "UNAVAILABLE" });
  });
});
