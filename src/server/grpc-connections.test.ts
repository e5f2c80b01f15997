import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import {
  callHeaders,
  END_HEADERS,
  FRAME,
  frame,
  number32,
  PADDED,
  PREFACE,
} from "../../test/support/http2-frames.ts";
import {
  collect,
  consumeRequest,
  LogServer,
  produceRequest,
} from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { silentObserver } from "../base/index.ts";
import type { Observer } from "../base/index.ts";

/** A server that tells whom it cuts, and a connection to it without manners. */
interface Attack extends AsyncDisposable {
  readonly server: LogServer;
  readonly socket: Socket;
  readonly cut: readonly string[];
}

async function attack(more: { readonly requestsHeldBytesMax?: number } = {}): Promise<Attack> {
  const cut: string[] = [];
  const observer: Observer = {
    ...silentObserver,
    log: (_level, event, fields) => {
      if (event === "connection.cut") cut.push(String(fields?.["reason"]));
    },
  };
  const server = await LogServer.start(new MemoryCommitLog(), { observer, ...more });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(PREFACE);
  socket.write(frame(FRAME.settings, 0, 0, Buffer.alloc(0)));
  const end = (): Promise<void> => server[Symbol.asyncDispose]();
  return { server, socket, cut, [Symbol.asyncDispose]: end };
}

/** Writes the same again and again until the other end has enough. */
async function flood(socket: Socket, next: () => Buffer): Promise<void> {
  const closed = new Promise((resolve) => socket.once("close", resolve));
  while (!socket.destroyed) {
    const isTaken = socket.write(next());
    const turn = new Promise(setImmediate);
    await Promise.race([
      isTaken ? turn : new Promise((resolve) => socket.once("drain", resolve)),
      closed,
    ]);
  }
  await closed;
}

describe("what a connection may cost", () => {
  for (const path of ["/log.v1.Log/Produce", "/nothing/Here"]) {
    test(`calls of ${path} that are broken off at once, again and again`, async () => {
      await using attacking = await attack();
      const { server, socket, cut } = attacking;
      const headers = callHeaders(path);
      let id = -1;
      await flood(socket, () => {
        const frames: Buffer[] = [];
        for (let count = 0; count < 50; count++) {
          id += 2;
          frames.push(frame(FRAME.headers, END_HEADERS, id, headers));
          frames.push(frame(FRAME.reset, 0, id, number32(8)));
        }
        return Buffer.concat(frames);
      });
      assert.deepEqual(cut, ["too many calls that were broken off"]);
      await server.client().unary("Produce", produceRequest("still here"));
    });
  }

  test("frames that are legal, have no end, and carry nothing", async () => {
    await using attacking = await attack();
    const { server, socket, cut } = attacking;
    socket.write(frame(FRAME.headers, END_HEADERS, 1, callHeaders("/log.v1.Log/ProduceStream")));
    const empty = frame(FRAME.data, PADDED, 1, Buffer.from([0]));
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => empty));
    await flood(socket, () => many);
    // Node 24 ends it by itself, and sooner.
    const isOurs = Number.parseInt(process.versions.node, 10) < 24;
    assert.deepEqual(cut, isOurs ? ["it sends frames that carry nothing"] : []);
    await server.client().unary("Produce", produceRequest("still here"));
  });

  for (const path of ["/grpc.health.v1.Health/Check", "/log.v1.Log/ProduceStream"]) {
    test(`requests to ${path} that begin and do not end`, async () => {
      await using attacking = await attack({ requestsHeldBytesMax: 2_000_000 });
      const { server, socket, cut } = attacking;
      const client = server.client();
      await client.unary("Produce", produceRequest("x".repeat(500_000)));
      // Each within its window, and a message that says that more is to come.
      const part = frame(FRAME.data, 0, 1, Buffer.alloc(16_000));
      let id = -1;
      await flood(socket, () => {
        id += 2;
        const opening = frame(FRAME.headers, END_HEADERS, id, callHeaders(path));
        part.writeUInt32BE(id, 5);
        const message = frame(FRAME.data, 0, id, Buffer.from([0, 0, 0x1f, 0, 0]));
        return Buffer.concat([opening, message, part, part]);
      });
      assert.deepEqual(cut, ["it begins more requests than it ends"]);
      await client.unary("Produce", produceRequest("x".repeat(500_000)));
    });
  }

  test("a client that sends much, and one that cancels now and then, are let be", async () => {
    await using attacking = await attack();
    const { server, socket, cut } = attacking;
    socket.destroy();
    const client = server.client();
    const stream = client.bidirectional("ProduceStream");
    const answers = collect(stream);
    const request = produceRequest("x".repeat(100_000));
    const until = performance.now() + 1_500;
    let sent = 0;
    while (performance.now() < until) {
      sent += 1;
      const isTaken = stream.write(request);
      await (isTaken ? new Promise(setImmediate) : once(stream, "drain"));
    }
    stream.end();
    assert.equal((await answers).messages.length, sent);
    // At the end of the log: what is under way to a cancelled stream is not the question here.
    const atEnd = consumeRequest(sent);
    for (let count = 0; count < 100; count++) {
      const cancelled = client.serverStream("ConsumeStream", atEnd);
      cancelled.on("error", () => undefined);
      cancelled.cancel();
    }
    await client.unary("Produce", produceRequest("still here"));
    assert.deepEqual(cut, []);
  });
});

test("a stream that is broken before the library sees it, and a path that no answer may hold", async () => {
  await using attacking = await attack();
  const { server, socket } = attacking;
  const closed = new Promise((resolve) => socket.once("close", resolve));
  // An unknown method is answered at once: here on streams that are closed by then, and with its name.
  for (let id = 1; id < 200; id += 2) {
    const path = id % 4 === 1 ? "/nothing/Here" : "/nothing/H\u00e4r\u0001";
    const headers = frame(FRAME.headers, END_HEADERS, id, callHeaders(path));
    socket.write(Buffer.concat([headers, frame(FRAME.reset, 0, id, number32(8))]));
  }
  socket.end();
  await closed;
  await server.client().unary("Produce", produceRequest("still here"));
});
