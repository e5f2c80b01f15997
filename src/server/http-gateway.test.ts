import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { describe, test } from "node:test";
import { codeOf, HttpServer, messageOf, readAll } from "../../test/support/http-call.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { limits } from "../base/index.ts";
import { BodyReader } from "./http-body.ts";
import { createHttpGateway } from "./http-gateway.ts";
import type { HttpGateway } from "./http-gateway.ts";
import { HTTP_LIMITS } from "./http-limits.ts";
import { Tails } from "./tails.ts";

const RECORD = '{"record":{"value":"AA=="}}';

async function talk(socket: Socket, request: string): Promise<string> {
  socket.write(request);
  return readAll(socket);
}

/** A port whose connections are handed to a gateway that does not listen. */
class Port implements AsyncDisposable {
  readonly #server: Server;

  private constructor(gateway: HttpGateway) {
    this.#server = createServer((socket) => gateway.server.emit("connection", socket));
  }

  static async before(gateway: HttpGateway): Promise<Port> {
    const port = new Port(gateway);
    port.#server.listen(0, "127.0.0.1");
    await once(port.#server, "listening");
    return port;
  }

  async open(): Promise<Socket> {
    const socket = connect((this.#server.address() as AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, "close");
  }
}

describe("routes of the gateway", () => {
  test("an unknown path is 404, a known one with another method 405", async () => {
    await using server = await HttpServer.start();
    const unknown = ["/v1", "/v1/", "/v1/records/", "//", "/./", "/%2e%2e/", "/v1//records", "/V1"];
    for (const path of [...unknown, "/healthz/", "/favicon.ico", "/__proto__", "/constructor"]) {
      const answer = await server.get(path);
      assert.equal(answer.status, 404, path);
      assert.equal(codeOf(answer), "UNKNOWN_METHOD");
      assert.equal(answer.headers["content-type"], "application/json");
    }
    for (const method of ["PUT", "PATCH", "DELETE"]) {
      const answer = await server.call(method, "/");
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.allow, "GET, HEAD, POST, OPTIONS");
      assert.match(messageOf(answer), new RegExp(method));
    }
    const post = await server.post("/v1/servers", "{}", { "x-http-method-override": "GET" });
    assert.equal(post.status, 405);
    assert.equal(post.headers.allow, "GET, HEAD, OPTIONS");
    const socket = await server.connect();
    const absolute = "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n";
    assert.match(await talk(socket, `${absolute}Connection: close\r\n\r\n`), /^HTTP\/1.1 404/);
  });

  test("HEAD is GET without its body", async () => {
    await using server = await HttpServer.start();
    await server.post("/", RECORD);
    for (const path of ["/?offset=0", "/healthz", "/v1/servers", "/openapi.json", "/?offset=1"]) {
      const get = await server.get(path);
      const head = await server.call("HEAD", path);
      assert.equal(head.status, get.status);
      assert.equal(head.text, "");
      assert.equal(head.headers["content-length"], get.headers["content-length"]);
    }
    const stream = await server.call("HEAD", "/v1/records?follow=true");
    assert.equal(stream.headers["content-type"], "application/x-ndjson");
    assert.equal(server.tails.count, 0);
  });

  test("servers and offsets", async () => {
    const log = new MemoryCommitLog({ now: () => 1_000 });
    await using server = await HttpServer.start({}, log);
    await server.post("/", RECORD);
    assert.deepEqual((await server.get("/v1/servers")).json, {
      servers: [
        {
          id: "memory",
          rpc_addr: "127.0.0.1:8400",
          http_addr: "",
          is_leader: true,
          role: "voter",
          high_watermark: 1,
          fsync_relaxed: true,
        },
      ],
      cluster_id: "memory",
      term: 1,
    });
    assert.deepEqual((await server.get("/v1/offsets")).json, { lowest: 0, next: 1 });
    const at = async (ms: string): Promise<unknown> =>
      (await server.get(`/v1/offsets?timestamp_ms=${ms}`)).json;
    assert.deepEqual(await at("1000"), { lowest: 0, next: 1, at_timestamp: 0 });
    assert.deepEqual(await at("1001"), { lowest: 0, next: 1, at_timestamp: null });
    assert.equal((await server.get("/v1/offsets?timestamp_ms=-1")).status, 400);
    assert.equal((await server.get("/v1/servers?x=1")).status, 400);
  });

  test("health, readiness, metrics", async () => {
    let ready = true;
    await using server = await HttpServer.start({
      readiness: () => (ready ? { ready } : { ready, reason: "no leader is known" }),
      metrics: () => "log_next_offset 7\n",
    });
    assert.deepEqual((await server.get("/readyz")).json, { status: "ready" });
    ready = false;
    const answer = await server.get("/readyz");
    assert.equal(answer.status, 503);
    assert.equal(messageOf(answer), "no leader is known");
    assert.deepEqual((await server.get("/healthz")).json, { status: "ok" });
    const metrics = await server.get("/metrics");
    assert.equal(metrics.text, "log_next_offset 7\n");
    assert.match(metrics.headers["content-type"] ?? "", /^text\/plain; version=0\.0\.4/);
    await using plain = await HttpServer.start();
    assert.equal((await plain.get("/metrics")).status, 404);
  });
});

describe("who may talk to the gateway", () => {
  test("no web page that was not invited, under no name that is not ours", async () => {
    await using server = await HttpServer.start({ allowedHosts: ["log.example"] });
    const foreign: readonly Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: `http://localhost:${server.port}` },
      { origin: "" },
      { "sec-fetch-site": "cross-site" },
      { host: "evil.example" },
      { host: "evil.example:8080" },
      { host: "localhost.evil.example" },
      { host: "127.0.0.1.evil.example" },
      { host: "localhost:8080:8080" },
      { host: "evil@localhost" },
      { host: "127.0.0.2" },
      { host: "[::1" },
    ];
    for (const headers of foreign) {
      for (const method of ["POST", "GET", "OPTIONS"]) {
        const body = method === "POST" ? { body: RECORD } : {};
        const answer = await server.call(method, "/", { headers, ...body });
        assert.equal(answer.status, 403, JSON.stringify(headers));
        assert.equal(codeOf(answer), "PERMISSION_DENIED");
        assert.equal(answer.headers["access-control-allow-origin"], undefined);
      }
    }
    assert.equal(server.log.highWatermark, 0);
    const ours: readonly Record<string, string>[] = [
      {},
      { host: "localhost" },
      { host: "LOCALHOST:80" },
      { host: "localhost." },
      { host: "127.0.0.1:1" },
      { host: "[::1]:8080" },
      { host: "log.example:443" },
      { "sec-fetch-site": "none" },
      { "sec-fetch-site": "same-origin" },
    ];
    for (const headers of ours) {
      const answer = await server.get("/healthz", headers);
      assert.equal(answer.status, 200, JSON.stringify(headers));
    }
  });

  test("two hosts are no host, and HTTP/1.0 may have none", async () => {
    await using server = await HttpServer.start();
    const two = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n";
    assert.match(
      await talk(await server.connect(), `${two}Connection: close\r\n\r\n`),
      /^HTTP\/1.1 400/,
    );
    const empty = "GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n";
    assert.match(await talk(await server.connect(), empty), /^HTTP\/1.1 403/);
    const none = await talk(await server.connect(), "GET /healthz HTTP/1.0\r\n\r\n");
    assert.match(none, /^HTTP\/1.1 200/);
  });

  test("hosts by a rule of the caller", async () => {
    const allowedHosts = (host: string): boolean => host.endsWith(".svc");
    await using server = await HttpServer.start({ allowedHosts });
    assert.equal((await server.get("/healthz", { host: "log-0.log.svc:8080" })).status, 200);
    assert.equal((await server.get("/healthz", { host: "log-0.log.svc.evil" })).status, 403);
    assert.equal((await server.get("/healthz", { host: "localhost" })).status, 200);
  });

  test("an invited origin gets what its browser asks for", async () => {
    await using server = await HttpServer.start({ allowedOrigins: ["https://Console.example"] });
    const origin = "https://console.example";
    const answer = await server.post("/", RECORD, { origin, "sec-fetch-site": "cross-site" });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["access-control-allow-origin"], origin);
    assert.equal(answer.headers["access-control-expose-headers"], "proglog-not-appended");
    assert.equal(answer.headers.vary, "Origin");
    const stream = await server.get("/v1/records", { origin });
    assert.equal(stream.headers["access-control-allow-origin"], origin);
    const error = await server.get("/?offset=7", { origin });
    assert.equal(error.headers["access-control-allow-origin"], origin);

    const preflight = await server.call("OPTIONS", "/v1/records", {
      headers: { origin, "access-control-request-method": "POST" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.match(preflight.headers["access-control-allow-methods"] ?? "", /POST/);
    assert.match(preflight.headers["access-control-allow-headers"] ?? "", /content-type/);
    const plain = await server.call("OPTIONS", "/v1/records");
    assert.equal(plain.status, 204);
    assert.equal(plain.headers.allow, "GET, HEAD, POST, OPTIONS");
    assert.equal((await server.call("OPTIONS", "/x")).status, 404);

    const similar = ["https://console.example.evil", "http://console.example", `${origin}:8443`];
    for (const other of similar) {
      assert.equal((await server.get("/healthz", { origin: other })).status, 403);
    }
    await using open = await HttpServer.start({ allowedOrigins: ["*"] });
    assert.equal((await open.get("/healthz", { origin: "https://any.example" })).status, 200);
  });
});

describe("limits of the gateway", () => {
  test("a body that says it is too long is refused before it comes", async () => {
    await using server = await HttpServer.start({ limits: { lingerMs: 20 } });
    const socket = await server.connect();
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000000\r\n\r\n";
    const text = await talk(socket, head);
    assert.match(text, /^HTTP\/1.1 413/);
    assert.match(text, /\r\nproglog-not-appended: 1\r\n/);
    assert.match(text, /\r\nconnection: close\r\n/i);
    assert.match(text, /RECORD_TOO_LARGE/);
  });

  test("40 MB are refused, and the client reads why, with a length and in chunks", async () => {
    await using server = await HttpServer.start();
    for (const path of ["/", "/v1/records"]) {
      const whole = await server.post(path, Buffer.alloc(40_000_000, "["));
      assert.equal(whole.status, 413);
      assert.equal(whole.headers.connection, "close");
      const call = server.request("POST", path, { "transfer-encoding": "chunked" });
      const answered = once(call, "response");
      const chunk = Buffer.alloc(1_000_000, "[");
      for (let count = 0; count < 40; count++) call.write(chunk);
      call.end();
      const [response] = (await answered) as [IncomingMessage];
      assert.equal(response.statusCode, 413);
      assert.match(await readAll(response), /TOO_LARGE/);
    }
    assert.equal(server.log.highWatermark, 0);
  });

  test("what is beyond the limit is not kept", async () => {
    const reader = new BodyReader({ ...HTTP_LIMITS, bodyBytesMax: 1_000 });
    const request = Object.assign(new EventEmitter(), {
      headers: {},
    }) as unknown as IncomingMessage;
    const read = reader.read(request, "RECORD_TOO_LARGE");
    for (let count = 0; count < 10; count++) request.emit("data", Buffer.alloc(100));
    assert.equal(reader.bytes, 1_000);
    request.emit("data", Buffer.alloc(1));
    assert.equal(reader.bytes, 0);
    request.emit("data", Buffer.alloc(100));
    assert.equal(reader.bytes, 0);
    await assert.rejects(read, /more than 1000 bytes/);
  });

  test("all bodies together have a limit, and a client that leaves gives its share back", async () => {
    await using server = await HttpServer.start({
      limits: { bodyBytesMax: 1_000, bodiesBytesMax: 1_500, lingerMs: 20 },
    });
    const begin = async (): Promise<Socket> => {
      const socket = await server.connect();
      const requested = once(server.gateway.server, "request");
      socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
      const [request] = (await requested) as [IncomingMessage];
      const received = once(request, "data");
      socket.write(" ".repeat(900));
      await received;
      return socket;
    };
    const first = await begin();
    const second = await begin();
    assert.match(await readAll(second), /^HTTP\/1.1 429/);
    first.destroy();
    const body = `${RECORD}${" ".repeat(900)}`;
    let answer = await server.post("/", body);
    for (let tries = 0; tries < 1_000 && answer.status === 429; tries++) {
      answer = await server.post("/", body);
    }
    assert.equal(answer.status, 200);
  });

  test("a client that sends on for ever is cut", async () => {
    await using server = await HttpServer.start({ limits: { lingerBytesMax: 5_000_000 } });
    const socket = await server.connect();
    socket.on("error", () => undefined);
    socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    const send = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", send);
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    send();
    await closed;
  });

  test("a compressed body is refused", async () => {
    await using server = await HttpServer.start();
    const answer = await server.post("/", RECORD, { "content-encoding": "gzip" });
    assert.equal(answer.status, 400);
    assert.equal(codeOf(answer), "UNSUPPORTED_COMPRESSION");
    assert.equal((await server.post("/", RECORD, { "content-encoding": "identity" })).status, 200);
  });

  test("headers that are too long are 431", async () => {
    await using server = await HttpServer.start();
    const answer = await server.get("/healthz", { x: "x".repeat(limits.httpHeaderBytesMax) });
    assert.equal(answer.status, 431);
  });

  test("a body that nobody asked for does not spoil the connection", async () => {
    await using server = await HttpServer.start();
    const socket = await server.connect();
    const body = "x".repeat(1_000);
    const first = `POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n${body}`;
    const second = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const text = await talk(socket, first + second);
    assert.deepEqual(text.match(/HTTP\/1.1 \d+/g), ["HTTP/1.1 404", "HTTP/1.1 200"]);
  });
});

describe("connections of the gateway", () => {
  test("sockets that were accepted elsewhere are served, and have timeouts", async () => {
    const gateway = createHttpGateway({
      tails: new Tails(new MemoryCommitLog()),
      limits: { headersTimeoutMs: 20, requestTimeoutMs: 40, timeoutsCheckIntervalMs: 5 },
    });
    await using port = await Port.before(gateway);
    const served = await talk(
      await port.open(),
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert.match(served, /^HTTP\/1.1 200/);
    assert.match(await talk(await port.open(), "GET /healthz HTT"), /^HTTP\/1.1 408/);
    const slow = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
    assert.match(await talk(await port.open(), slow), /^(HTTP\/1.1 408|$)/);
    const waiting = await port.open();
    await gateway.close();
    assert.equal(await readAll(waiting), "");
  });

  test("closing answers what was asked, refuses what comes, and ends", async () => {
    const log = new MemoryCommitLog({ autoCommit: false });
    const server = await HttpServer.start({}, log);
    const proposals = new EventEmitter();
    log.onPropose = () => proposals.emit("proposed");
    const first = once(proposals, "proposed");
    const asked = server.post("/", RECORD);
    await first;
    const socket = await server.connect();
    const received = once(server.gateway.server, "request");
    socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 27\r\n\r\n");
    await received;
    const closed = server.gateway.close();
    await using port = await Port.before(server.gateway);
    const late = await talk(await port.open(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.match(late, /^HTTP\/1.1 503/);
    const second = once(proposals, "proposed");
    socket.write(RECORD);
    await second;
    log.commit();
    const answer = await asked;
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, "close");
    assert.match(await readAll(socket), /^HTTP\/1.1 200/);
    await closed;
    assert.equal(server.gateway.server.listening, false);
    await server[Symbol.asyncDispose]();
  });

  test("closing cuts what does not end in time", async () => {
    const log = new MemoryCommitLog({ autoCommit: false });
    const server = await HttpServer.start({}, log);
    const proposed = new Promise<void>((resolve) => {
      log.onPropose = resolve;
    });
    const asked = server.post("/", RECORD).catch((error: unknown) => error);
    await proposed;
    await server.gateway.close(1);
    assert.equal(((await asked) as { code: string }).code, "ECONNRESET");
    await server[Symbol.asyncDispose]();
  });

  test("a client that leaves is left by the log", async () => {
    class WaitingLog extends MemoryCommitLog {
      signal: AbortSignal | undefined;
      readonly asked = new EventEmitter();
      override readBarrier(signal?: AbortSignal): Promise<void> {
        this.signal = signal;
        this.asked.emit("asked");
        return new Promise((_, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason as Error));
        });
      }
    }
    const log = new WaitingLog();
    await using server = await HttpServer.start({}, log);
    const asked = once(log.asked, "asked");
    const socket = await server.connect();
    socket.write("GET /?offset=7 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await asked;
    const signal = log.signal as AbortSignal;
    assert.equal(signal.aborted, false);
    const aborted = once(signal, "abort");
    socket.destroy();
    await aborted;
    assert.equal((signal.reason as { code: string }).code, "CANCELLED");
  });
});
