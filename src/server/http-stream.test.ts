import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { HttpServer, readAll, readUntil } from "../../test/support/http-call.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { ProglogError } from "../base/index.ts";

const SSE = { accept: "text/event-stream" };
const text = (value: string): { value: Buffer } => ({ value: Buffer.from(value) });

/** Until nobody follows the log any more. */
async function untilUnfollowed(server: HttpServer): Promise<void> {
  for (let turns = 0; turns < 10_000 && server.tails.count > 0; turns++) await turn();
  assert.equal(server.tails.count, 0);
}

function eventsOf(stream: string): { id: string; data: unknown }[] {
  return stream
    .split("\n\n")
    .filter((event) => event.startsWith("id: "))
    .map((event) => {
      const [id = "", data = ""] = event.split("\n");
      return { id: id.slice(4), data: JSON.parse(data.slice(6)) as unknown };
    });
}

describe("streams over HTTP", () => {
  test("lines that follow the log", async () => {
    await using server = await HttpServer.start();
    await server.log.append(text("a"));
    const response = await server.open("/v1/records?follow=true");
    assert.match(await readUntil(response, '"value":"a"'), /^{"offset":0,/);
    await server.log.append(text("b"));
    assert.match(await readUntil(response, '"value":"b"'), /^{"offset":1,/);
    response.destroy();
    await untilUnfollowed(server);
  });

  test("an answer begins before there is a record", async () => {
    await using server = await HttpServer.start();
    for (const headers of [{}, SSE]) {
      const response = await server.open("/v1/records?follow=1&from=end", headers);
      assert.equal(response.statusCode, 200);
      response.destroy();
    }
  });

  test("an offset that is not written yet is waited for", async () => {
    await using server = await HttpServer.start();
    const response = await server.open("/v1/records?offset=1&follow");
    await server.log.append(text("a"));
    await server.log.append(text("b"));
    assert.match(await readUntil(response, '"value":"b"'), /^{"offset":1,/);
    response.destroy();
  });

  test("a server that is behind answers once it has the record that the reader knows of", async () => {
    await using server = await HttpServer.start();
    await server.log.append(text("a"));
    const begins = server.open("/v1/records?min_offset=2");
    const ended = server.open("/v1/records?from=end&min_offset=1&follow=false", SSE);
    while (server.tails.count < 2) await turn();
    await server.log.append(text("b"));
    await server.log.append(text("c"));
    const lines = (await readAll(await begins)).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { offset: number }).offset),
      [0, 1, 2],
    );
    assert.deepEqual(eventsOf(await readAll(await ended)), [], "the end is where it was then");
    const known = await server.get("/v1/records?offset=1&limit=1&min_offset=1");
    assert.match(known.text, /"value":"b"/);
    // Whoever does not wait any more is not waited for.
    const left = new AbortController();
    const waiting = fetch(`http://127.0.0.1:${server.port}/v1/records?min_offset=9`, {
      signal: left.signal,
    });
    while (server.tails.count < 1) await turn();
    left.abort();
    await assert.rejects(waiting);
    await untilUnfollowed(server);
  });

  test("a limit ends a stream that follows", async () => {
    await using server = await HttpServer.start();
    const response = await server.open("/v1/records?follow&limit=2");
    const whole = readAll(response);
    for (const value of ["a", "b", "c"]) await server.log.append(text(value));
    assert.equal((await whole).split("\n").length, 3);
    await untilUnfollowed(server);
  });

  test("events carry their offset, and a reader resumes after the last that he saw", async () => {
    await using server = await HttpServer.start();
    for (const value of ["a", "b", "c"]) await server.log.append(text(value));
    const first = await server.open("/v1/records?offset=0", SSE);
    assert.equal(first.headers["content-type"], "text/event-stream");
    assert.equal(first.headers["cache-control"], "no-store");
    const events = eventsOf(await readUntil(first, '"value":"c"}\n\n'));
    assert.deepEqual(
      events.map(({ id }) => id),
      ["0", "1", "2"],
    );
    assert.deepEqual((events[1]?.data as { value: string }).value, "b");
    first.destroy();

    const again = await server.open("/v1/records?offset=0", { ...SSE, "last-event-id": "1" });
    assert.equal(eventsOf(await readUntil(again, '"value":"c"}\n\n'))[0]?.id, "2");
    await server.log.append(text("d"));
    assert.equal(eventsOf(await readUntil(again, '"value":"d"}\n\n'))[0]?.id, "3");
    again.destroy();

    const whole = await server.get("/v1/records?follow=false&limit=2", SSE);
    assert.equal(eventsOf(whole.text).length, 2);
    const bad = await server.get("/v1/records", { ...SSE, "last-event-id": "x" });
    assert.equal(bad.status, 400);
    const lines = await server.get("/v1/records", { "last-event-id": "1" });
    assert.match(lines.text, /^{"offset":0,/);
  });

  test("an event stream shows that it is alive, once there is nothing else", async () => {
    await using server = await HttpServer.start({ limits: { heartbeatMs: 5 } });
    const response = await server.open("/v1/records", SSE);
    assert.match(await readUntil(response, ":\n\n:\n\n"), /^(:\n\n)+$/);
    await server.log.append(text("a"));
    assert.match(await readUntil(response, '"value":"a"'), /^(:\n\n)*id: 0\n/);
    response.destroy();
  });

  test("what a reader does not take is not read for him, and he loses nothing", async () => {
    const recordBytes = 64 * 1024;
    const log = new MemoryCommitLog();
    const count = 400;
    for (let index = 0; index < count; index++) {
      void log.append({ value: Buffer.alloc(recordBytes, "x") });
    }
    await turn();
    assert.equal(log.highWatermark, count);
    await using server = await HttpServer.start({ limits: { streamBufferBytesMax: 200_000 } }, log);
    const [serverSide] = await Promise.all([
      once(server.gateway.server, "request"),
      server.connect().then((socket) => {
        socket.pause();
        socket.write("GET /v1/records HTTP/1.1\r\nHost: localhost\r\n\r\n");
      }),
    ]);
    const response = serverSide[1] as { writableLength: number; destroy: () => void };
    let most = 0;
    for (let turns = 0; turns < 2_000; turns++) {
      await turn();
      most = Math.max(most, response.writableLength);
    }
    // The last record is begun below the limit; each has a frame around it.
    assert.ok(most > 0 && most < 200_000 + 2 * recordBytes, String(most));
    assert.equal(server.tails.count, 1);
    response.destroy();
    await untilUnfollowed(server);

    const slow = await server.open("/v1/records");
    let lines = 0;
    let last = "";
    for await (const chunk of slow) {
      const parts = (last + (chunk as Buffer).toString()).split("\n");
      last = parts.pop() ?? "";
      for (const line of parts) {
        const { offset } = JSON.parse(line) as { offset: number };
        assert.equal(offset, lines);
        lines += 1;
      }
      await turn();
    }
    assert.equal(lines, count);
  });

  test("a client that goes away ends the work for it", async () => {
    await using server = await HttpServer.start();
    await server.log.append(text("a"));
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => server.open("/v1/records?follow", SSE)),
    );
    assert.equal(server.tails.count, 20);
    for (const stream of streams) stream.destroy();
    await untilUnfollowed(server);
    // Also one that has sent a body which nobody reads.
    const socket = await server.connect();
    const head =
      "GET /v1/records?follow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    socket.write(head + "x".repeat(50_000));
    await once(socket, "data");
    socket.destroy();
    await untilUnfollowed(server);
  });

  test("damage is told at the end of what could be read", async () => {
    class DamagedLog extends MemoryCommitLog {
      override read(offset: number): Promise<readonly Uint8Array[]> {
        if (offset < 2) return super.read(offset, 1);
        return Promise.reject(new ProglogError("DATA_LOSS", "the disk lost it"));
      }
    }
    await using server = await HttpServer.start({}, new DamagedLog({ cached: false }));
    for (const value of ["a", "b", "c"]) await server.log.append(text(value));
    const lines = (await server.get("/v1/records")).text.split("\n");
    assert.equal(lines.length, 4);
    assert.deepEqual(JSON.parse(lines[2] ?? ""), {
      error: { code: "DATA_LOSS", message: "the disk lost it", details: {} },
    });
    const events = await readAll(await server.open("/v1/records", SSE));
    assert.match(events, /id: 1\n.*\n\nevent: failure\ndata: {"error":{"code":"DATA_LOSS"/s);
  });

  test("a gateway that closes ends its streams: lines say why, events end", async () => {
    const server = await HttpServer.start();
    const lines = await server.open("/v1/records?follow");
    const events = await server.open("/v1/records", SSE);
    const wholes = [readAll(lines), readAll(events)];
    await server.gateway.close();
    const [ofLines = "", ofEvents] = await Promise.all(wholes);
    assert.equal((JSON.parse(ofLines) as { error: { code: string } }).error.code, "UNAVAILABLE");
    assert.equal(ofEvents, "");
    assert.equal(server.tails.count, 0);
    await server[Symbol.asyncDispose]();
  });

  test("tails that close, as another door does, end the streams too", async () => {
    await using server = await HttpServer.start();
    const response = await server.open("/v1/records?follow");
    server.tails.close(new ProglogError("UNAVAILABLE", "the server is shutting down"));
    assert.match(await readAll(response), /shutting down/);
    const late = await server.get("/v1/records?follow");
    assert.equal(late.status, 503);
  });
});
