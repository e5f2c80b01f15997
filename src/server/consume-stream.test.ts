import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { test } from "node:test";
import {
  collect,
  consumeRequest,
  LogServer,
  produceRequest,
  take,
  text,
} from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import * as api from "../api/index.ts";
import { limits } from "../base/index.ts";

async function turnsUntil(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn++) await new Promise(setImmediate);
  assert.ok(condition());
}

test("a stream follows the tail: it waits, and every commit wakes it", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  const stream = client.serverStream("ConsumeStream", consumeRequest(0));
  stream.on("error", () => undefined);
  for (const value of ["a", "b", "c"]) {
    const next = take(stream, 1);
    await client.unary("Produce", produceRequest(value));
    assert.deepEqual(
      (await next).map((m) => text(api.decodeConsumeResponse(m).value)),
      [value],
    );
  }
  stream.cancel();
  await turnsUntil(() => server.tails.count === 0);
});

test("max_records ends a stream with OK, min_offset and LINEARIZABLE come first", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  for (const value of ["a", "b"]) await client.unary("Produce", produceRequest(value));
  const request = consumeRequest(0, { linearizable: true, minOffset: 2, maxRecords: 2 });
  const collected = collect(client.serverStream("ConsumeStream", request));
  await turnsUntil(() => server.tails.count === 1);
  await client.unary("Produce", produceRequest("c"));
  const { messages, error } = await collected;
  assert.equal(error, undefined);
  assert.deepEqual(
    messages.map((message) => text(api.decodeConsumeResponse(message).value)),
    ["a", "b"],
  );
  assert.equal(log.barriers, 1);
});

test("an offset that no log has, or this one no more, ends the stream at once", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  await client.unary("Produce", produceRequest("a"));
  log.lowestOffset = 1;
  const beyond = Buffer.from([8, ...new Array<number>(9).fill(0xff), 1]);
  for (const method of ["ConsumeStream", "ConsumeBatches"] as const) {
    for (const request of [consumeRequest(0), beyond]) {
      const { error } = await collect(client.serverStream(method, request));
      assert.equal(error?.code, "OFFSET_OUT_OF_RANGE");
    }
  }
});

test("a deadline ends a stream that waits, and its place with it", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const options = { deadline: Date.now() + 50 };
  const stream = server.client().serverStream("ConsumeStream", consumeRequest(0), options);
  const { error } = await collect(stream);
  assert.equal(error?.code, "DEADLINE_EXCEEDED");
  await turnsUntil(() => server.tails.count === 0);
});

test("a slow reader is held back within the bounds, and others are not", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const value = Buffer.alloc(limits.recordBytesMax / 4);
  let encoded = 0;
  const count = 200;
  for (let i = 0; i < count; i++) await log.append({ value });
  const readCached = log.readCached.bind(log);
  log.readCached = (offset, maxBytes) => {
    encoded = Math.max(encoded, offset);
    return readCached(offset, maxBytes);
  };
  const session = connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": api.LOG_METHODS.ConsumeStream.path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const request = consumeRequest(0, { maxRecords: count });
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request]));
  await once(stream, "response");
  let seen = -1;
  while (seen !== encoded) {
    seen = encoded;
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
  }
  // Nobody reads: what the stream buffers, and what the windows of the connection hold.
  const buffered = encoded * value.length;
  assert.ok(buffered <= 2 * limits.streamBufferBytesMax, String(buffered));

  const other = server.client().serverStream("ConsumeStream", consumeRequest(count - 1));
  other.on("error", () => undefined);
  assert.equal((await take(other, 1)).length, 1);
  other.cancel();

  let received = 0;
  stream.on("data", (chunk: Buffer) => (received += chunk.length));
  await once(stream, "end");
  assert.ok(received > count * value.length);
  session.close();
});

test("a reader that goes away leaves nothing behind, slow or waiting", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  for (let i = 0; i < 20; i++) await log.append({ value: Buffer.alloc(limits.recordBytesMax) });
  const client = server.client();
  for (const offset of [0, 20]) {
    const stream = client.serverStream("ConsumeStream", consumeRequest(offset));
    stream.on("error", () => undefined);
    await turnsUntil(() => server.tails.count === 1);
    stream.cancel();
    await turnsUntil(() => server.tails.count === 0);
  }
  // The socket itself breaks.
  const stream = client.serverStream("ConsumeStream", consumeRequest(20));
  stream.on("error", () => undefined);
  await turnsUntil(() => server.tails.count === 1);
  for (const socket of server.sockets) socket.destroy();
  await turnsUntil(() => server.tails.count === 0);
});
