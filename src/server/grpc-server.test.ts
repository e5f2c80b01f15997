import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { test } from "node:test";
import { ServerInterceptingCall } from "@grpc/grpc-js";
import type { ServerInterceptor } from "@grpc/grpc-js";
import {
  collect,
  consumeRequest,
  LogServer,
  produceRequest,
  take,
} from "../../test/support/log-server.ts";
import type { LogClient } from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import * as api from "../api/index.ts";
import { encodeBatch, limits, silentObserver } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { ClusterControl } from "./cluster-service.ts";

const asItIs = (of: Buffer): Buffer => of;

/** A message of one string field, below 128 bytes. */
function stringField(field: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([field * 8 + 2, value.length]), Buffer.from(value)]);
}

function checkHealth(client: LogClient, service: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const path = "/grpc.health.v1.Health/Check";
    const request = stringField(1, service);
    client.grpc.makeUnaryRequest(path, asItIs, asItIs, request, (error, reply) => {
      if (error === null && reply !== undefined) resolve(reply);
      else reject(api.fromServiceError(error));
    });
  });
}

const SERVING = Buffer.from([8, 1]);
const NOT_SERVING = Buffer.from([8, 2]);
const SERVICE_UNKNOWN = Buffer.from([8, 3]);

test("health: of the server, of the service, of nothing else; a watch hears of changes", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  assert.deepEqual(await checkHealth(client, ""), SERVING);
  assert.deepEqual(await checkHealth(client, "log.v1.Log"), SERVING);
  await assert.rejects(checkHealth(client, "other"));

  const watch = (service: string): ReturnType<typeof client.grpc.makeServerStreamRequest> =>
    client.grpc.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      asItIs,
      asItIs,
      stringField(1, service),
    );
  const watched = watch("log.v1.Log") as ReturnType<LogClient["serverStream"]>;
  assert.deepEqual(await take(watched, 1), [SERVING]);
  server.grpc.setServing(false);
  assert.deepEqual(await take(watched, 1), [NOT_SERVING]);
  assert.deepEqual(await checkHealth(client, ""), NOT_SERVING);
  const unknown = watch("other") as ReturnType<LogClient["serverStream"]>;
  assert.deepEqual(await take(unknown, 1), [SERVICE_UNKNOWN]);

  // A watch has no end of its own; a server that stops gives it one.
  const ended = collect(watched);
  await server.grpc.drain(60_000);
  assert.equal((await ended).error, undefined);
});

test("reflection lists the services and shows their file, in both versions", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const stream = client.grpc.makeBidiStreamRequest(path, asItIs, asItIs);
    stream.write(stringField(7, "*"));
    stream.write(stringField(4, "log.v1.Log.Produce"));
    const [services, file] = await take(stream, 2);
    assert.ok(services?.includes("log.v1.Log"));
    assert.ok(services?.includes("grpc.health.v1.Health"));
    assert.ok(file?.includes("ProduceBatchRequest"));
    const ended = collect(stream);
    stream.end();
    assert.equal((await ended).error, undefined);
  }
});

test("an unknown method is UNIMPLEMENTED, and HTTP/2 that is not gRPC is 415", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const client = server.client();
  const error = await new Promise((resolve) => {
    client.grpc.makeUnaryRequest("/log.v1.Log/Other", asItIs, asItIs, Buffer.alloc(0), resolve);
  });
  assert.equal(api.fromServiceError(error).code, "UNKNOWN_METHOD");

  const session = connect(`http://127.0.0.1:${server.port}`);
  const request = session.request({ ":path": "/" });
  const [headers] = (await once(request, "response")) as [Record<string, unknown>];
  assert.equal(headers[":status"], 415);
  session.close();
});

test("a client may send far ahead of the server's reading, on a stream and on a connection", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const session = connect(`http://127.0.0.1:${server.port}`);
  await once(session, "remoteSettings");
  const answered = new Promise<void>((resolve, reject) => {
    session.ping((error) => (error === null ? resolve() : reject(error)));
  });
  // What the server says about its window comes before its answer.
  await answered;
  assert.equal(session.remoteSettings.initialWindowSize, limits.serverWindowBytes);
  assert.equal(session.state.remoteWindowSize, limits.serverWindowBytes);
  session.close();
});

function openProduce(session: ClientHttp2Session): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": api.LOG_METHODS.Produce.path,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

test("a frame that declares 4 GiB is refused before anything is allocated for it", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const session = connect(`http://127.0.0.1:${server.port}`);
  const request = openProduce(session);
  request.on("error", () => undefined);
  request.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  const [headers] = (await once(request, "response")) as [Record<string, unknown>];
  assert.equal(headers["grpc-status"], "8");
  session.destroy();
});

test("noise in place of messages never ends the server", async () => {
  await using server = await LogServer.start(new MemoryCommitLog());
  const session = connect(`http://127.0.0.1:${server.port}`);
  const noise = [[], [0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 1, 5], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]];
  for (const [at, name] of (Object.keys(api.LOG_METHODS) as api.LogMethodName[]).entries()) {
    for (const bytes of [...noise, [at, at, at, at, at, at, at]]) {
      const stream = session.request({
        ":method": "POST",
        ":path": api.LOG_METHODS[name].path,
        "content-type": "application/grpc",
        "grpc-timeout": "50m",
        te: "trailers",
      });
      stream.on("error", () => undefined);
      stream.end(Buffer.from(bytes));
      stream.resume();
      await once(stream, "close");
    }
  }
  session.destroy();
  const reply = await server.client().unary("Produce", produceRequest("still here"));
  assert.equal(api.decodeProduceResponse(reply).term, 1);
});

test("interceptors see every call of every service", async () => {
  const paths: string[] = [];
  const interceptor: ServerInterceptor = (method, call) => {
    paths.push(method.path);
    return new ServerInterceptingCall(call);
  };
  await using server = await LogServer.start(new MemoryCommitLog(), {
    interceptors: [interceptor],
  });
  const client = server.client();
  await client.unary("Produce", produceRequest("x"));
  await checkHealth(client, "");
  assert.deepEqual(paths, ["/log.v1.Log/Produce", "/grpc.health.v1.Health/Check"]);
});

test("a failure of ours is told to the observer, and not to the client", async () => {
  const told: unknown[] = [];
  const observer: Observer = {
    ...silentObserver,
    log: (level, event, fields) => void told.push({ level, event, method: fields?.["method"] }),
  };
  const log = new MemoryCommitLog();
  log.append = () => Promise.reject(new TypeError("secrets of the inside"));
  log.readCached = () => {
    throw new TypeError("secrets of the inside");
  };
  await using server = await LogServer.start(log, { observer });
  const client = server.client();
  const failed = { code: "INTERNAL", message: "internal error" };
  await assert.rejects(client.unary("Produce", produceRequest("x")), failed);
  const produce = client.bidirectional("ProduceStream");
  produce.write(produceRequest("x"));
  assert.equal((await collect(produce)).error?.message, "internal error");
  await log.appendBatch(encodeBatch([{ value: null }], { nowMs: 1 }));
  const consume = client.serverStream("ConsumeStream", consumeRequest(0));
  assert.equal((await collect(consume)).error?.message, "internal error");
  assert.deepEqual(
    told,
    ["Produce", "ProduceStream", "ConsumeStream"].map((name) => ({
      level: "error",
      event: "grpc.request-failed",
      method: `/log.v1.Log/${name}`,
    })),
  );
});

test("draining answers what runs, ends who follows, and then takes nothing", async () => {
  const log = new MemoryCommitLog({ autoCommit: false });
  await using server = await LogServer.start(log);
  const client = server.client();
  const following = collect(client.serverStream("ConsumeStream", consumeRequest(0)));
  const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
  const produced = client.unary("Produce", produceRequest("x"));
  await proposed;
  let isDrained = false;
  const drained = server.grpc.drain(60_000).then(() => (isDrained = true));
  assert.equal((await following).error?.code, "UNAVAILABLE");
  assert.equal(isDrained, false);
  log.commit();
  assert.equal(api.decodeProduceResponse(await produced).baseOffset, 0);
  await drained;
});

const STATUS: api.ClusterStatus = {
  ...{ clusterName: "proglog", clusterId: "c", answeredBy: "a", leader: "a", members: [] },
  ...{ term: 1, commitIndex: 1, lastIndex: 1, lowest: 0, next: 0, damaged: false },
  retention: { retentionBytes: 0, retentionMs: 0 },
};
const REQUESTS: { readonly [Name in api.ControlMethodName]: api.ControlMethods[Name]["request"] } =
  {
    GetStatus: {},
    TransferLeadership: { to: "b" },
    AddMember: { name: "b" },
    RemoveMember: { name: "b", force: false },
    SetRetention: { retentionBytes: 1, retentionMs: 1 },
    DeleteBefore: { offset: 0 },
  };

/** RFC 9113, section 6.7. */
const PING_FRAME_BYTES = 17;

test("while what was asked is not answered, a draining server gives signs of life", async () => {
  const log = new MemoryCommitLog({ autoCommit: false });
  await using server = await LogServer.start(log);
  const client = server.client({ "grpc.keepalive_time_ms": 20 });
  const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
  const produced = client.unary("Produce", produceRequest("x"));
  await proposed;
  const drained = server.grpc.drain(60_000);
  // Node's client asks for none after a good-bye, and grpc-js drops its calls then.
  const over = new AbortController();
  produced.catch(() => over.abort());
  const [socket = assert.fail()] = server.sockets;
  const read = socket.bytesRead + 3 * PING_FRAME_BYTES;
  while (!over.signal.aborted && socket.bytesRead < read) await new Promise(setImmediate);
  const refused = client.unary("Produce", produceRequest("y"));
  await assert.rejects(refused, { code: "UNAVAILABLE", notAppended: true });
  const watched = client.grpc.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    asItIs,
    asItIs,
    Buffer.alloc(0),
  );
  const told = await collect(watched);
  assert.deepEqual([told.messages, told.error], [[NOT_SERVING], undefined]);
  log.commit();
  assert.equal(api.decodeProduceResponse(await produced).baseOffset, 0);
  await drained;
});

test("a draining server begins no change of its cluster, and still tells how it is", async () => {
  const asked: string[] = [];
  let moved: (() => void) | undefined;
  const control = {
    ask: async (name: string) => {
      asked.push(name);
      if (name === "GetStatus") return STATUS;
      if (moved === undefined) await new Promise<void>((resolve) => (moved = resolve));
      return { leader: "b" };
    },
  } as unknown as ClusterControl;
  await using server = await LogServer.start(new MemoryCommitLog(), { control });
  const client = server.client();
  const ask = (name: api.ControlMethodName): Promise<Buffer> =>
    client.unary(name, api.CONTROL_CODECS[name].encodeRequest(REQUESTS[name] as never));
  const before = ask("TransferLeadership");
  while (moved === undefined) await new Promise(setImmediate);
  const drained = server.grpc.drain(60_000);
  for (const name of Object.keys(REQUESTS) as api.ControlMethodName[]) {
    if (name === "GetStatus") continue;
    await assert.rejects(ask(name), { code: "UNAVAILABLE", notAppended: true }, name);
  }
  const status = api.CONTROL_CODECS.GetStatus.decodeResponse(await ask("GetStatus"));
  assert.equal(status.answeredBy, "a");
  assert.deepEqual(asked, ["TransferLeadership", "GetStatus"]);
  moved();
  const told = api.CONTROL_CODECS.TransferLeadership.decodeResponse(await before);
  assert.equal(told.leader, "b", "what had begun is answered");
  await drained;
});

test("draining cuts what still runs when the time is over", async () => {
  const log = new MemoryCommitLog({ autoCommit: false });
  await using server = await LogServer.start(log);
  const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
  const produced = server.client().unary("Produce", produceRequest("x"));
  const rejected = assert.rejects(produced);
  await proposed;
  await server.grpc.drain(10);
  await rejected;
});

test("a cancelled unary call leaves no trace but its append", async () => {
  const log = new MemoryCommitLog({ autoCommit: false });
  await using server = await LogServer.start(log);
  const client = server.client();
  const proposed = new Promise<void>((resolve) => (log.onPropose = resolve));
  // Connected by then, so that what the time is for is the call.
  await client.unary("GetServers", Buffer.alloc(0));
  const options = { deadline: Date.now() + 500 };
  const produced = client.unary("Produce", produceRequest("x"), options);
  await Promise.race([proposed, produced]);
  await assert.rejects(produced, { code: "DEADLINE_EXCEEDED", notAppended: false });
  log.commit();
  assert.equal(log.highWatermark, 1);
});
