import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { ClientDuplexStream, ServerDuplexStream } from "@grpc/grpc-js";
import { bytes, collect, LogServer, produceRequest, text } from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import * as api from "../api/index.ts";
import { limits, ProglogError, silentObserver } from "../base/index.ts";
import type { AppendAnswer, RecordInput } from "../base/index.ts";
import { statusWith } from "./calls.ts";
import { InFlightBytes, ProduceStream } from "./produce-stream.ts";
import type { Appends } from "./produce.ts";

/** A log whose appends are answered by hand, in any order. */
class ManualLog extends MemoryCommitLog {
  readonly proposed: {
    value: string;
    resolve: (offset: number) => void;
    reject: (error: ProglogError) => void;
  }[] = [];
  #wanted = { count: 0, reached: (): void => undefined };

  override append(record: RecordInput): Promise<AppendAnswer> {
    return new Promise((resolve, reject) => {
      const answer = { recordCount: 1, term: 1, timestampMs: 1, duplicate: false };
      this.proposed.push({
        value: text(record.value),
        resolve: (baseOffset) => resolve({ ...answer, baseOffset }),
        reject,
      });
      if (this.proposed.length >= this.#wanted.count) this.#wanted.reached();
    });
  }

  /** Resolves once so many appends were proposed. */
  async until(count: number): Promise<void> {
    if (this.proposed.length >= count) return;
    await new Promise<void>((reached) => {
      this.#wanted = { count, reached };
    });
  }

  resolve(...indexes: number[]): void {
    for (const index of indexes) this.proposed[index]?.resolve(index);
  }
}

type ProduceCall = ServerDuplexStream<Buffer, Buffer>;
type Stream = ClientDuplexStream<Buffer, Buffer>;

function send(stream: Stream, ...values: string[]): void {
  for (const value of values) stream.write(produceRequest(value));
}

const offsets = (messages: readonly Buffer[]): number[] =>
  messages.map((message) => api.decodeProduceResponse(message).baseOffset);

const refusal = new ProglogError("RESOURCE_EXHAUSTED", "full", { notAppended: true });

test("answers come in the order of the requests, whatever the order of the commits", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  send(stream, "a", "b", "c");
  stream.end();
  await log.until(3);
  log.resolve(2, 1, 0);
  const { messages, error } = await answers;
  assert.deepEqual(offsets(messages), [0, 1, 2]);
  assert.equal(error, undefined);
});

test("a failure in the middle: what came before is answered, nothing after it is proposed", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  send(stream, "a", "b", "c");
  await log.until(3);
  log.proposed[1]?.reject(refusal);
  log.proposed[2]?.reject(refusal);
  // By now the stream has failed, and "d" comes too late, whenever it arrives.
  await new Promise(setImmediate);
  send(stream, "d");
  log.resolve(0);
  const { messages, error } = await answers;
  assert.deepEqual(offsets(messages), [0]);
  assert.equal(error?.code, "RESOURCE_EXHAUSTED");
  assert.equal(error.notAppended, true);
  assert.equal(log.proposed.length, 3);
});

test("a failure that leaves a later request in the log does not promise otherwise", async () => {
  for (const outcome of ["appended", "unknown"] as const) {
    const log = new ManualLog();
    await using server = await LogServer.start(log);
    const stream = server.client().bidirectional("ProduceStream");
    const answers = collect(stream);
    send(stream, "a", "b");
    await log.until(2);
    log.proposed[0]?.reject(refusal);
    if (outcome === "appended") log.resolve(1);
    else log.proposed[1]?.reject(new ProglogError("UNAVAILABLE", "no leader"));
    const { messages, error } = await answers;
    assert.equal(messages.length, 0);
    assert.equal(error?.code, "RESOURCE_EXHAUSTED");
    assert.equal(error.notAppended, false);
  }
});

test("the error is the first unanswered request's, not the first in time", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  send(stream, "a", "b");
  await log.until(2);
  log.proposed[1]?.reject(refusal);
  await new Promise(setImmediate);
  log.proposed[0]?.reject(new ProglogError("OFFSET_MISMATCH", "no", { notAppended: true }));
  const { error } = await answers;
  assert.equal(error?.code, "OFFSET_MISMATCH");
  assert.equal(error.notAppended, true);
});

test("a request that is refused before it is proposed ends the stream at its place", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  send(stream, "a", "b");
  stream.write(produceRequest("c", { log: "other" }));
  send(stream, "d");
  const { messages, error } = await answers;
  assert.deepEqual(offsets(messages), [0, 1]);
  assert.equal(error?.code, "UNKNOWN_LOG");
  assert.equal(error.notAppended, true);
  assert.equal(log.highWatermark, 2);
});

test("what still arrives after a failure is not proposed", () => {
  const proposed: string[] = [];
  const call = new PassThrough({ objectMode: true });
  const appends: Appends = {
    propose: (request) => {
      proposed.push(request.toString());
      throw refusal;
    },
    encode: () => Buffer.alloc(0),
  };
  let closed = 0;
  call.on("error", () => undefined);
  new ProduceStream(Object.assign(call, { getPath: () => "/path" }) as unknown as ProduceCall, {
    appends,
    inFlight: new InFlightBytes(),
    statusOf: statusWith(silentObserver),
    subjectAt: () => "",
    onClose: () => closed++,
  });
  for (const request of ["a", "b"]) call.emit("data", bytes(request));
  assert.deepEqual(proposed, ["a"]);
  assert.equal(closed, 1);
});

test("reading pauses at the limit of unanswered requests, and goes on", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  const count = limits.streamInFlightMax + 200;
  send(stream, ...Array.from({ length: count }, (_, i) => String(i)));
  stream.end();
  await log.until(limits.streamInFlightMax);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  assert.equal(log.proposed.length, limits.streamInFlightMax);
  log.resolve(...log.proposed.keys());
  await log.until(count);
  log.resolve(...log.proposed.keys());
  const { messages } = await answers;
  assert.deepEqual(
    offsets(messages),
    Array.from({ length: count }, (_, i) => i),
  );
  assert.deepEqual(
    log.proposed.map(({ value }) => value),
    Array.from({ length: count }, (_, i) => String(i)),
  );
});

test("reading pauses at the limit of unanswered bytes, per stream and for all together", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const value = "x".repeat(limits.recordBytesMax);
  const perStream = limits.streamInFlightBytesMax / limits.recordBytesMax;
  const streams: Stream[] = [];
  const answers = [];
  for (let at = 0; at < 5; at++) {
    const stream = server.client().bidirectional("ProduceStream");
    answers.push(collect(stream));
    send(stream, ...new Array<string>(perStream + 4).fill(value));
    stream.end();
    streams.push(stream);
  }
  const all = limits.serverInFlightBytesMax / limits.recordBytesMax;
  await log.until(all);
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  // Each stream may be one request beyond a limit that it did not know to be reached.
  assert.ok(log.proposed.length <= all + streams.length, String(log.proposed.length));
  for (let done = 0; done < (perStream + 4) * streams.length;) {
    await log.until(done + 1);
    log.resolve(done++);
  }
  for (const { messages, error } of await Promise.all(answers)) {
    assert.equal(error, undefined);
    assert.equal(messages.length, perStream + 4);
  }
});

test("a peer that does not read its answers is not read either", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const session = connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": api.LOG_METHODS.ProduceStream.path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const message = produceRequest("x");
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const all = 40_000;
  stream.end(Buffer.concat(new Array<Buffer>(all).fill(framed)));
  // Nobody reads the answers: they fill the window, and then everything stands.
  let stopped = -1;
  while (stopped !== log.highWatermark) {
    stopped = log.highWatermark;
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  }
  assert.ok(stopped > 0 && stopped < all / 2, String(stopped));
  stream.resume();
  await once(stream, "end");
  assert.equal(log.highWatermark, all);
  session.close();
});

test("cancellation ends the work: nothing more is proposed, nothing is kept", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  stream.on("error", () => undefined);
  send(stream, "a", "b");
  await log.until(2);
  stream.cancel();
  await once(stream, "error");
  send(stream, "c");
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  log.resolve(0, 1);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(log.proposed.length, 2);
});

test("a server that drains answers what is proposed and says that the rest is not appended", async () => {
  const log = new ManualLog();
  await using server = await LogServer.start(log);
  const stream = server.client().bidirectional("ProduceStream");
  const answers = collect(stream);
  send(stream, "a", "b");
  await log.until(2);
  const drained = server.grpc.drain(10_000);
  log.resolve(0, 1);
  const { messages, error } = await answers;
  assert.deepEqual(offsets(messages), [0, 1]);
  assert.equal(error?.code, "UNAVAILABLE");
  assert.equal(error.notAppended, true);
  await drained;
});

test("expected_offset and the stamp reach the log", async () => {
  const log = new MemoryCommitLog();
  await using server = await LogServer.start(log);
  const client = server.client();
  await client.unary("Produce", produceRequest("a", { expectedOffset: 0 }));
  await assert.rejects(client.unary("Produce", produceRequest("b", { expectedOffset: 0 })), {
    code: "OFFSET_MISMATCH",
    notAppended: true,
  });
  let stamp: unknown;
  log.append = (record, options) => {
    stamp = options?.stamp;
    return MemoryCommitLog.prototype.append.call(log, record, options);
  };
  const sent = { id: 7, epoch: 1, sequence: 2 };
  await client.unary("Produce", produceRequest("c", { stamp: sent }));
  assert.deepEqual(stamp, sent);
  const consumed = await client.unary(
    "Consume",
    api.encodeConsumeRequest({
      ...{ offset: 1, log: "", linearizable: false, minOffset: undefined },
      ...{ maxRecords: 0, maxBytes: 0 },
    }),
  );
  assert.deepEqual(api.decodeConsumeResponse(consumed).value, bytes("c"));
});
