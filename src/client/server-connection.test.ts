/** How long a connection to one server is tried for, and what a new attempt leaves alone. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { LOG_METHODS } from "../api/index.ts";
import { limits } from "../base/index.ts";
import { connect, registerScheme } from "./index.ts";
import { CONNECT_TIMEOUT_OPTION } from "./server-connection.ts";

/** One more than Node thinks a signal may have of them. */
const ATTEMPTS = 12;

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** Awaits so many events. */
async function times(count: number, emitter: EventEmitter, event: string): Promise<void> {
  for (let at = 0; at < count; at++) await once(emitter, event);
}

test("attempts that fail leave nothing behind for the next ones", async (t) => {
  const warnings: string[] = [];
  const warned = ({ name }: Error): void => void warnings.push(name);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const door = createServer((socket: Socket) => socket.destroy());
  const port = await listening(door);
  t.after(() => door.close());
  registerScheme();
  const client = new GrpcClient(`proglog://127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 1,
    "grpc.max_reconnect_backoff_ms": 1,
  });
  t.after(() => client.close());
  const tried = times(ATTEMPTS, door, "connection");
  client.getChannel().getConnectivityState(true);
  await tried;
  assert.deepEqual(warnings, []);
});

test("a server that does not come back is dialled at least so often", async (t) => {
  const pausesMs: number[] = [];
  const { setTimeout } = globalThis;
  t.mock.method(globalThis, "setTimeout", (callback: () => void, ms?: number) => {
    if (new Error().stack?.includes("backoff-timeout") !== true) return setTimeout(callback, ms);
    // A pause of the library's, which is over at once.
    pausesMs.push(ms ?? 0);
    return setTimeout(callback, 0);
  });
  const door = createServer((socket: Socket) => socket.destroy());
  const port = await listening(door);
  t.after(() => door.close());
  await using client = connect(`127.0.0.1:${port}`, {
    retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 },
  });
  const tried = times(2 * ATTEMPTS, door, "connection");
  await assert.rejects(client.servers());
  await tried;
  const longestMs = Math.max(...pausesMs);
  assert.ok(longestMs > limits.retryDelayMsMin, "the pauses grow");
  // The library spreads them by a fifth.
  assert.ok(longestMs <= 1.2 * limits.reconnectDelayMsMax, `${longestMs} ms`);
});

test("a connection that is lost is made anew, and an attempt at that leaves the calls on it alone", async (t) => {
  const server = createHttp2Server();
  let answer: (() => void) | undefined;
  server.on("stream", (stream: ServerHttp2Stream, { ":path": path }) => {
    stream.on("error", () => undefined);
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    // An empty message: nobody is listed.
    const end = (): void => void stream.end(Buffer.alloc(5));
    if (path === LOG_METHODS.GetServers.path) end();
    else {
      answer = end;
      // It lets the connection end with the call, as a server does that is to be stopped.
      stream.session?.goaway();
    }
  });
  let connections = 0;
  const attempts = new EventEmitter();
  const door = createServer((socket) => {
    connections += 1;
    if (connections === 1) server.emit("connection", socket);
    else
      socket
        .on("error", () => undefined)
        .once("close", () => attempts.emit("left"))
        .resume();
  });
  const port = await listening(door);
  t.after(() => door.close());
  registerScheme();
  const client = new GrpcClient(`proglog://127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    [CONNECT_TIMEOUT_OPTION]: 50,
  });
  t.after(() => client.close());
  const left = once(attempts, "left");
  const { path, requestSerialize, responseDeserialize } = LOG_METHODS.GetOffsets;
  const answered = new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(
      ...[path, requestSerialize, responseDeserialize, Buffer.alloc(0)],
      (error, bytes) => (bytes === undefined ? reject(error as Error) : resolve(bytes)),
    );
  });
  await Promise.race([left, answered]);
  assert.equal(connections > 1, true);
  answer?.();
  assert.equal((await answered).length, 0);
});
