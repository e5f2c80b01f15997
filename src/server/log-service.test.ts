import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bytes,
  collect,
  consumeRequest,
  LogServer,
  produceRequest,
  take,
  text,
} from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import * as api from "../api/index.ts";
import { encodeBatch, limits, splitBatches, decodeBatch } from "../base/index.ts";

test("what is produced is consumed", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const record = {
    value: bytes("hello world"),
    key: bytes("k"),
    headers: [{ key: "h", value: bytes("v") }],
    timestampMs: 1_234,
  };
  const reply = await client.unary("Produce", produceRequest("", { record }));
  const answer = api.decodeProduceResponse(reply);
  assert.deepEqual(answer, {
    ...{ baseOffset: 0, recordCount: 1, term: 1, timestampMs: 1_234, duplicate: false },
  });
  const consumed = api.decodeConsumeResponse(await client.unary("Consume", consumeRequest(0)));
  assert.equal(text(consumed.value), "hello world");
  assert.equal(text(consumed.key), "k");
  assert.equal(text(consumed.headers[0]?.value), "v");
  assert.deepEqual([consumed.offset, consumed.term, consumed.timestampMs], [0, 1, 1_234]);
});

test("past the boundary: out of range in the book's words, after a read barrier", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  await client.unary("Produce", produceRequest("x"));
  assert.equal(log.barriers, 0);
  await assert.rejects(client.unary("Consume", consumeRequest(1)), {
    code: "OFFSET_OUT_OF_RANGE",
    message: "The requested offset is outside of the log: 1",
    details: { offset: "1", lowest: "0", highest: "0", next: "1" },
  });
  assert.equal(log.barriers, 1);
  log.lowestOffset = 1;
  await assert.rejects(client.unary("Consume", consumeRequest(0)), {
    code: "OFFSET_OUT_OF_RANGE",
    details: { offset: "0", lowest: "1", highest: "0", next: "1" },
  });
  assert.equal(log.barriers, 1, "below the lowest offset nobody needs to be asked");
  const beyond = Buffer.from([8, ...new Array<number>(9).fill(0xff), 1]);
  await assert.rejects(client.unary("Consume", beyond), {
    code: "OFFSET_OUT_OF_RANGE",
    message: "The requested offset is outside of the log: 18446744073709551615",
  });
});

test("a stream of records is answered in order and read back", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const produce = client.bidirectional("ProduceStream");
  const answers = collect(produce);
  const values = Array.from({ length: 500 }, (_, i) => `record ${i}`);
  for (const value of values) produce.write(produceRequest(value));
  produce.end();
  const { messages, error } = await answers;
  assert.equal(error, undefined);
  assert.deepEqual(
    messages.map((message) => api.decodeProduceResponse(message).baseOffset),
    values.map((_, i) => i),
  );
  const consume = client.serverStream("ConsumeStream", consumeRequest(0));
  const records = (await take(consume, 500)).map((message) => api.decodeConsumeResponse(message));
  consume.on("error", () => undefined);
  consume.cancel();
  assert.deepEqual(
    records.map(({ value }) => text(value)),
    values,
  );
  assert.deepEqual(
    records.map(({ offset }) => offset),
    values.map((_, i) => i),
  );
});

test("whole batches go in and come out as they are", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const batches = [0, 1, 2].map((b) =>
    encodeBatch([{ value: bytes(`${b}.0`) }, { value: bytes(`${b}.1`) }], { nowMs: 5 }),
  );
  const produce = client.bidirectional("ProduceBatches");
  const answers = collect(produce);
  for (const batch of batches) {
    produce.write(
      api.encodeProduceBatchRequest({ batch, log: "default", expectedOffset: undefined }),
    );
  }
  produce.end();
  const { messages } = await answers;
  assert.deepEqual(
    messages.map((message) => api.decodeProduceBatchResponse(message)),
    [
      { baseOffset: 0, recordCount: 2, term: 1, duplicate: false },
      { baseOffset: 2, recordCount: 2, term: 1, duplicate: false },
      { baseOffset: 4, recordCount: 2, term: 1, duplicate: false },
    ],
  );
  const request = consumeRequest(3, { maxRecords: 3 });
  const consumed = await collect(client.serverStream("ConsumeBatches", request));
  const answer = consumed.messages.map((message) => api.decodeConsumeBatchResponse(message));
  assert.ok(answer.every(({ highWatermark }) => highWatermark === 6));
  const found = answer
    .flatMap(({ batches }) => splitBatches(batches))
    .flatMap((batch) => decodeBatch(batch));
  assert.deepEqual(
    found.map(({ offset }) => offset),
    [2, 3, 4, 5],
  );
  assert.deepEqual(
    found.map(({ value }) => text(value)),
    ["1.0", "1.1", "2.0", "2.1"],
  );
});

test("offsets, servers, producers", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const record = { value: bytes("x"), timestampMs: 1_000 };
  await client.unary("Produce", produceRequest("", { record }));
  const ask = async (timestampMs: number | undefined): Promise<api.Offsets> =>
    api.decodeGetOffsetsResponse(
      await client.unary("GetOffsets", api.encodeGetOffsetsRequest({ timestampMs, log: "" })),
    );
  assert.deepEqual(await ask(undefined), { lowest: 0, next: 1, atTimestamp: undefined });
  assert.deepEqual(await ask(900), { lowest: 0, next: 1, atTimestamp: 0 });
  assert.deepEqual(await ask(1_001), { lowest: 0, next: 1, atTimestamp: undefined });

  const servers = api.decodeGetServersResponse(
    await client.unary("GetServers", api.encodeGetServersRequest()),
  );
  assert.equal(servers.clusterId, "memory");
  assert.equal(servers.servers[0]?.isLeader, true);

  const create = (name: string): Promise<Buffer> =>
    client.unary("CreateProducer", api.encodeCreateProducerRequest({ name, log: "" }));
  assert.deepEqual(api.decodeCreateProducerResponse(await create("p")), { id: 1, epoch: 0 });
  await assert.rejects(create("x".repeat(limits.producerNameBytesMax + 1)), {
    code: "INVALID_ARGUMENT",
  });
});

test("every method refuses another log and a malformed request", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const log = "other";
  const named: [api.LogMethodName, Buffer][] = [
    ["Produce", produceRequest("x", { log })],
    ["Consume", consumeRequest(0, { log })],
    ["CreateProducer", api.encodeCreateProducerRequest({ name: "", log })],
    ["GetOffsets", api.encodeGetOffsetsRequest({ timestampMs: undefined, log })],
  ];
  for (const [method, request] of named) {
    await assert.rejects(client.unary(method, request), { code: "UNKNOWN_LOG" }, method);
    const malformed = client.unary(method, Buffer.from([0xff]));
    await assert.rejects(malformed, { code: "INVALID_ARGUMENT" }, method);
  }
  for (const method of ["ConsumeStream", "ConsumeBatches"] as const) {
    const { error } = await collect(client.serverStream(method, consumeRequest(0, { log })));
    assert.equal(error?.code, "UNKNOWN_LOG");
    const malformed = await collect(client.serverStream(method, Buffer.from([0xff])));
    assert.equal(malformed.error?.code, "INVALID_ARGUMENT");
  }
  for (const method of ["ProduceStream", "ProduceBatches"] as const) {
    const call = client.bidirectional(method);
    call.write(Buffer.from([0xff]));
    const { error } = await collect(call);
    assert.equal(error?.code, "INVALID_ARGUMENT");
    assert.equal(error.notAppended, true);
  }
});

test("a record at the limit is taken, one above it refused, a frame far above it cut off", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  const ofSize = (size: number): Buffer =>
    produceRequest("", { record: { value: Buffer.alloc(size, "x") } });
  await client.unary("Produce", ofSize(limits.recordBytesMax));
  await assert.rejects(client.unary("Produce", ofSize(limits.recordBytesMax + 1)), {
    code: "RECORD_TOO_LARGE",
    notAppended: true,
  });
  await assert.rejects(client.unary("Produce", ofSize(limits.grpcMessageBytesMax)), {
    code: "BATCH_TOO_LARGE",
  });
  assert.equal(log.highWatermark, 1);
});

test("min_offset waits for the record, LINEARIZABLE asks for a barrier, a deadline ends both", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  const waiting = client.unary("Consume", consumeRequest(0, { minOffset: 1 }));
  await client.unary("Produce", produceRequest("a"));
  await client.unary("Produce", produceRequest("b"));
  assert.equal(text(api.decodeConsumeResponse(await waiting).value), "a");

  await client.unary("Consume", consumeRequest(0, { linearizable: true }));
  assert.equal(log.barriers, 1);

  const deadline = { deadline: Date.now() + 20 };
  await assert.rejects(client.unary("Consume", consumeRequest(0, { minOffset: 9 }), deadline), {
    code: "DEADLINE_EXCEEDED",
  });
  while (server.tails.count > 0) await new Promise(setImmediate);
});
