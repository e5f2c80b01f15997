import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "../base/index.ts";
import { http1Protocol, http2Protocol, Mux, sniffPrefix } from "./index.ts";
import type { Protocol } from "./index.ts";
import { sniffHttp1, sniffHttp2 } from "./sniff.ts";

const loopback = { host: "127.0.0.1", port: 0 };

/** A protocol that begins with `start`, and what it got. */
function taking(start: string): Protocol & { readonly taken: Socket[] } {
  const taken: Socket[] = [];
  return {
    name: start,
    taken,
    sniff: (bytes) => sniffPrefix(bytes, Buffer.from(start)),
    accept: (socket) => {
      taken.push(socket);
      socket.pipe(socket);
    },
  };
}

function dial(mux: Mux): Socket {
  const socket = connect(mux.address.port, mux.address.address);
  socket.on("error", () => undefined);
  return socket;
}

async function read(socket: Socket, length: number): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString("latin1");
    if (text.length >= length) break;
  }
  return text;
}

/** Time that passes when it is told to. */
class ManualClock implements Clock {
  readonly waiting = new Set<() => void>();
  now(): number {
    return 0;
  }
  monotonic(): number {
    return 0;
  }
  after(_ms: number, callback: () => void): () => void {
    this.waiting.add(callback);
    return () => this.waiting.delete(callback);
  }
}

test("gRPC's HTTP/2 and HTTP/1.1 share a port, also through slow and pipelined beginnings", async () => {
  const http1 = createServer((incoming, response) => {
    const answer = `${incoming.method ?? ""} ${incoming.url ?? ""}`;
    incoming.resume().on("end", () => response.end(answer));
  });
  const http2 = createHttp2Server();
  http2.on("stream", (stream) => {
    stream.respond();
    stream.end("two");
  });
  await using mux = await Mux.listen({
    ...loopback,
    protocols: [http2Protocol((socket) => http2.emit("connection", socket)), http1Protocol(http1)],
  });
  const url = `http://127.0.0.1:${mux.address.port}`;

  const outgoing = request(`${url}/path`, { method: "POST" }).end("a body");
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  const [body] = (await once(answer, "data")) as [Buffer];
  assert.equal(body.toString(), "POST /path");

  const session = connectHttp2(url);
  const stream = session.request({ ":path": "/" });
  const [two] = (await once(stream, "data")) as [Buffer];
  assert.equal(two.toString(), "two");
  session.close();

  const slow = dial(mux);
  slow.setNoDelay(true);
  for (const byte of "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") {
    slow.write(byte);
    await new Promise(setImmediate);
  }
  assert.match(await read(slow, Infinity), /GET \/slow/);

  const pipelined = dial(mux);
  pipelined.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  pipelined.write("GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.match(await read(pipelined, Infinity), /GET \/1.*GET \/2/s);
  http1.close();
  http2.close();
});

test("first bytes decide, in order, with every byte still to be read", async () => {
  const one = taking("one!");
  const two = taking("one?");
  await using mux = await Mux.listen({ ...loopback, protocols: [one, two] });
  const socket = dial(mux);
  socket.write("on");
  await once(socket, "connect");
  socket.write("e? and more");
  assert.equal(await read(socket, 13), "one? and more");
  assert.deepEqual([one.taken.length, two.taken.length], [0, 1]);
  socket.destroy();
});

test("noise is cut, whatever it is", async () => {
  const one = taking("one!");
  await using mux = await Mux.listen({
    ...loopback,
    protocols: [one, http2Protocol(() => assert.fail())],
  });
  const noises = fc.sample(fc.uint8Array({ minLength: 24, maxLength: 100 }), 50);
  for (const noise of noises) {
    const socket = dial(mux);
    socket.write(noise);
    await once(socket, "close");
  }
  assert.equal(one.taken.length, 0);
});

test("who says too little is cut in time, and who leaves is forgotten", async () => {
  const clock = new ManualClock();
  await using mux = await Mux.listen({ ...loopback, protocols: [taking("one!")], clock });
  const silent = dial(mux);
  const half = dial(mux);
  half.write("on");
  const gone = dial(mux);
  gone.end("o");
  await once(gone, "close");
  while (clock.waiting.size !== 2) await new Promise(setImmediate);
  for (const expire of clock.waiting) expire();
  await Promise.all([once(silent, "close"), once(half, "close")]);
  assert.equal(clock.waiting.size, 0);
  while (mux.connections > 0) await new Promise(setImmediate);
});

test("a decided connection has no timeout of the mux any more", async () => {
  const clock = new ManualClock();
  await using mux = await Mux.listen({ ...loopback, protocols: [taking("one!")], clock });
  const socket = dial(mux);
  socket.write("one!");
  await read(socket, 4);
  assert.equal(clock.waiting.size, 0);
  socket.destroy();
});

test("connections above the limit are cut", async () => {
  const refused: string[] = [];
  const observer = {
    log: (_level: unknown, event: string) => void refused.push(event),
    count: () => undefined,
    gauge: () => undefined,
    measure: () => undefined,
  };
  const protocols = [taking("one!")];
  await using mux = await Mux.listen({ ...loopback, protocols, connectionsMax: 1, observer });
  const first = dial(mux);
  first.write("one!");
  await read(first, 4);
  const second = dial(mux);
  await once(second, "close");
  assert.deepEqual(refused, ["connection.refused"]);
  first.destroy();
});

test("an address in use is named, and so is one that cannot be had", async () => {
  await using mux = await Mux.listen({ ...loopback, protocols: [] });
  const { port } = mux.address;
  await assert.rejects(Mux.listen({ host: "127.0.0.1", port, protocols: [] }), {
    code: "ADDRESS_IN_USE",
    details: { address: `127.0.0.1:${port}` },
  });
  await assert.rejects(Mux.listen({ host: "192.0.2.1", port: 0, protocols: [] }), {
    code: "CONFIGURATION",
  });
});

test("closing cuts decided and undecided connections and frees the port", async () => {
  const mux = await Mux.listen({ ...loopback, protocols: [taking("one!")] });
  const { port } = mux.address;
  const decided = dial(mux);
  decided.write("one!");
  await read(decided, 4);
  const undecided = dial(mux);
  await once(undecided, "connect");
  while (mux.connections < 2) await new Promise(setImmediate);
  mux.stop();
  const closed = [once(decided, "close"), once(undecided, "close")];
  await mux.close();
  await Promise.all(closed);
  const again = await Mux.listen({ host: "127.0.0.1", port, protocols: [] });
  await again.close();
});

test("sniffing: beginnings are maybe, wholes are yes, all else is no", () => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  for (let length = 0; length <= preface.length; length++) {
    const part = preface.subarray(0, length);
    assert.equal(sniffHttp2(part), length < preface.length ? "maybe" : "yes");
  }
  assert.equal(sniffHttp2(Buffer.from("POST")), "no");
  for (const start of ["GET / ", "POST /", "M-SEARCH *", "PUT "]) {
    assert.equal(sniffHttp1(Buffer.from(start)), "yes");
  }
  for (const start of ["", "G", "PRO", "M-", "P"]) {
    assert.equal(sniffHttp1(Buffer.from(start)), "maybe");
  }
  for (const start of ["get / ", "PRI * ", "\x16\x03\x01", "GETS /"]) {
    assert.equal(sniffHttp1(Buffer.from(start)), "no");
  }
});
