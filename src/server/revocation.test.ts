/** What a permission allowed is over when it is taken back, however slowly its owner goes about it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import type { IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import { HttpServer } from "../../test/support/http-call.ts";
import {
  collect,
  consumeRequest,
  LogServer,
  produceRequest,
  take,
} from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import * as api from "../api/index.ts";
import { ProglogError } from "../base/index.ts";
import { Gate } from "./gate.ts";
import type { Authorizer } from "./gate.ts";

/** One caller, who may do everything until he is told that he may nothing. */
class Whim implements Authorizer {
  readonly gate: Gate;
  #allowed = true;
  readonly #listeners = new Set<() => void>();

  constructor() {
    this.gate = new Gate({ authorizer: this, log: "default" });
  }

  callerOf(): ReturnType<Authorizer["callerOf"]> {
    const refusal = (): ProglogError | undefined =>
      this.#allowed
        ? undefined
        : new ProglogError("PERMISSION_DENIED", "not any more", { notAppended: true });
    return { subject: "somebody", peer: "somewhere", refusal };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  revoke(): void {
    this.#allowed = false;
    for (const listener of this.#listeners) listener();
  }
}

const DENIED = { code: "PERMISSION_DENIED", message: "not any more" } as const;

describe("a permission that is taken back, over gRPC", () => {
  test("a call that had begun, and whose request comes then, appends nothing", async () => {
    const whim = new Whim();
    const log = new MemoryCommitLog();
    await using server = await LogServer.start(log, { gate: whim.gate });
    const session = connect(`http://127.0.0.1:${server.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": api.LOG_METHODS.Produce.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    // The server has its headers when it answers what came after them.
    await server.client().unary("Produce", produceRequest("before"));
    await new Promise((resolve) => session.ping(resolve));
    whim.revoke();
    const request = produceRequest("late");
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request]));
    const [headers] = (await once(stream.resume(), "response")) as [Record<string, unknown>];
    assert.equal(headers["grpc-status"], "7");
    assert.equal(headers["proglog-not-appended"], "1");
    session.destroy();
    assert.equal(log.highWatermark, 1);
  });

  test("a stream of appends does not say that nothing was appended, when something may be", async () => {
    const whim = new Whim();
    const log = new MemoryCommitLog({ autoCommit: false });
    await using server = await LogServer.start(log, { gate: whim.gate });
    const stream = server.client().bidirectional("ProduceStream");
    const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
    stream.write(produceRequest("under way"));
    await proposed;
    whim.revoke();
    stream.write(produceRequest("too late"));
    const { error } = await collect(stream);
    assert.deepEqual([error?.code, error?.notAppended], [DENIED.code, false]);
    log.commit();
    assert.equal(log.highWatermark, 1);
  });

  test("an append that was under way is answered", async () => {
    const whim = new Whim();
    const log = new MemoryCommitLog({ autoCommit: false });
    await using server = await LogServer.start(log, { gate: whim.gate });
    const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
    const produced = server.client().unary("Produce", produceRequest("x"));
    await proposed;
    whim.revoke();
    log.commit();
    assert.equal(api.decodeProduceResponse(await produced).baseOffset, 0);
  });

  test("a read that waited for its record does not get it", async () => {
    const whim = new Whim();
    const log = new MemoryCommitLog();
    await using server = await LogServer.start(log, { gate: whim.gate });
    const client = server.client();
    const waiting = client.unary("Consume", consumeRequest(0, { minOffset: 0 }));
    const rejected = assert.rejects(waiting, { ...DENIED, notAppended: false });
    // It came before this one, on the same connection.
    const follower = client.serverStream("ConsumeStream", consumeRequest(0));
    follower.on("error", () => undefined);
    await client.unary("GetOffsets", Buffer.alloc(0));
    whim.revoke();
    await log.append({ value: Buffer.from("secret") });
    await rejected;
    await assert.rejects(take(follower, 1));
  });
});

describe("a permission that is taken back, over HTTP", () => {
  test("a body that ends then appends nothing", async () => {
    const whim = new Whim();
    await using server = await HttpServer.start({ gate: whim.gate });
    for (const path of ["/", "/v1/records"]) {
      const request = server.request("POST", path, { "content-type": "application/json" });
      const response = once(request, "response") as Promise<[IncomingMessage]>;
      const received = once(server.gateway.server, "request");
      request.write(path === "/" ? '{"record":' : '{"value":');
      await received;
      whim.revoke();
      request.end(path === "/" ? '{"value":""}}' : '"x"}');
      const [{ statusCode, headers }] = await response;
      // The second is refused at the door.
      assert.deepEqual([statusCode, headers["proglog-not-appended"]], [403, "1"]);
    }
    assert.equal(server.log.highWatermark, 0);
  });

  test("an answer that was waited for is not given", async () => {
    const whim = new Whim();
    await using server = await HttpServer.start({ gate: whim.gate });
    const barriers: (() => void)[] = [];
    server.log.readBarrier = () => new Promise((resolve) => barriers.push(resolve));
    const paths = ["/?offset=0", "/v1/records?offset=0&follow=false"];
    const asked = paths.map((path) => server.get(path));
    while (barriers.length < paths.length) await new Promise(setImmediate);
    whim.revoke();
    await server.log.append({ value: Buffer.from("secret") });
    for (const pass of barriers) pass();
    for (const { status, text } of await Promise.all(asked)) {
      assert.equal(status, 403);
      assert.doesNotMatch(text, /c2VjcmV0|secret/);
    }
  });
});

test("a watch of a name that is none goes on, though the name is not kept", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const asItIs = (of: Buffer): Buffer => of;
  const name = "x".repeat(100_000);
  const length = Buffer.from([
    (name.length & 0x7f) | 0x80,
    ((name.length >> 7) & 0x7f) | 0x80,
    name.length >> 14,
  ]);
  const request = Buffer.concat([Buffer.from([10]), length, Buffer.from(name)]);
  const path = "/grpc.health.v1.Health/Watch";
  const watch = server.client().grpc.makeServerStreamRequest(path, asItIs, asItIs, request);
  watch.on("error", () => undefined);
  assert.deepEqual(await take(watch as Parameters<typeof take>[0], 1), [Buffer.from([8, 3])]);
  server.grpc.setServing(false);
  assert.deepEqual(await take(watch as Parameters<typeof take>[0], 1), [Buffer.from([8, 3])]);
});
