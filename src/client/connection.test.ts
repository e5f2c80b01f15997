import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { LOG_METHODS } from "../api/index.ts";
import { Connection } from "./connection.ts";

const READERS = 12;
/** A turn of each reader's is some; where the call has to wait for them, it is thousands. */
const CHUNKS_MEANWHILE_MAX = 100 * READERS;
/** A length before each message, and no compression. */
const frame = (message: Buffer): Buffer => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
};
const CHUNK = frame(Buffer.alloc(64 * 1024));

function sendForEver(stream: ServerHttp2Stream): void {
  while (!stream.destroyed && stream.write(CHUNK));
  stream.once("drain", () => sendForEver(stream));
}

test("streams that take all that a connection carries leave room for a call beside them", async () => {
  const server = createServer();
  server.on("stream", (stream, { ":path": path }) => {
    stream.on("error", () => undefined);
    const headers = { ":status": 200, "content-type": "application/grpc" };
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    if (path === LOG_METHODS.ConsumeStream.path) sendForEver(stream);
    else stream.end(frame(Buffer.from("answer")));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const connection = new Connection(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const nothing = Buffer.alloc(0);
  const readers = Array.from({ length: READERS }, () =>
    connection.readStream("ConsumeStream", nothing),
  );
  await Promise.all(readers.map(({ call }) => once(call, "data")));
  let received = 0;
  for (const { call } of readers) call.on("data", () => received++);
  const options = { timeoutMs: 60_000 };
  for (let count = 0; count < 3; count++) {
    received = 0;
    const answer = await connection.unary("Produce", nothing, String, options);
    assert.equal(answer, "answer");
    assert.ok(received < CHUNKS_MEANWHILE_MAX, String(received));
  }
  for (const { call, release } of readers) {
    call.on("error", () => undefined);
    release();
  }
  connection.close();
  server.close();
  await once(server, "close");
});
