/** The browser's client against a real server, with Node's `fetch` in place of a browser's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpServer } from "../../test/support/http-call.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { limits, type ProglogError } from "../base/index.ts";
import { startTestServer, type TestServer } from "../testing/index.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { readEvents, type ServerSentEvent } from "./event-stream.ts";
import { connect, type HttpLog, textOf } from "./index.ts";

async function withServer(run: (log: HttpLog, server: TestServer) => Promise<void>): Promise<void> {
  await using server = await startTestServer();
  await run(connect(server.httpUrl), server);
}

/** `fetch`, with a say in what comes of each call. */
function bent(
  bend: (call: number, real: () => Promise<Response>) => Promise<Response>,
): typeof fetch {
  let calls = 0;
  return (input, init) => {
    calls += 1;
    return bend(calls, () => fetch(input, init));
  };
}

function failure(code: string, headers: Record<string, string> = {}): Promise<Response> {
  const body = JSON.stringify({ error: { code, message: "not now", details: {} } });
  return Promise.resolve(new Response(body, { status: 503, headers }));
}

describe("records of a page", () => {
  test("are read as they were written, text and bytes", () =>
    withServer(async (log) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const { offset } = await log.produce({
        ...{ value: "Let's Go ✓", key: "k", timestampMs: 12_345 },
        headers: [{ key: "h", value: bytes }],
      });
      const read = await log.read(offset);
      assert.equal(textOf(read.value), "Let's Go ✓");
      assert.deepEqual([textOf(read.key), read.timestampMs], ["k", 12_345]);
      assert.deepEqual(read.headers, [{ key: "h", value: bytes }]);
      const offsets = await log.produceAll([{ value: bytes }, { value: null, key: null }]);
      assert.deepEqual(offsets, [1, 2]);
      assert.deepEqual((await log.read(1)).value, bytes);
      assert.deepEqual([(await log.read(2)).value, (await log.read(2)).key], [null, null]);
    }));

  test("are not looked for at an address that is none", async () => {
    for (const url of ["127.0.0.1:8080", "localhost:8080", "", "/v1", "ftp://127.0.0.1"]) {
      assert.throws(() => connect(url), { code: "INVALID_ARGUMENT" }, url);
    }
    const { httpUrl } = await startTestServer().then(async (server) => {
      await server.close();
      return server;
    });
    const log = connect(`${httpUrl}/`, { attemptsMax: 2 });
    const sentence = `the server at ${httpUrl} cannot be reached: `;
    await assert.rejects(log.read(0), (error: ProglogError) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.ok(error.message.startsWith(sentence), error.message);
      assert.match(error.message, /ECONNREFUSED/);
      return true;
    });
  });

  test("one that is too large, in the midst of others, is refused with all of them", () =>
    withServer(async (log) => {
      const values = ["before", "x".repeat(limits.recordBytesMax + 1), "after"];
      const all = log.produceAll(values.map((value) => ({ value })));
      await assert.rejects(all, { code: "RECORD_TOO_LARGE", notAppended: true });
      assert.equal((await log.offsets()).next, 0);
    }));

  test("base64 of any length", () => {
    for (const length of [0, 1, 2, 3, 8_191, 8_192, 20_001]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) % 256);
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
      assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
    }
  });

  test("conditions, offsets, servers and errors", () =>
    withServer(async (log) => {
      await log.produce({ value: "0" }, { expectedOffset: 0 });
      const mismatch = log.produce({ value: "0" }, { expectedOffset: 0 });
      await assert.rejects(mismatch, { code: "OFFSET_MISMATCH", notAppended: true });
      for (const offset of [1, 7]) {
        await assert.rejects(log.read(offset), (error: ProglogError) => {
          assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
          assert.equal(error.details["offset"], String(offset));
          return true;
        });
      }
      assert.deepEqual(await log.offsets(), { lowest: 0, next: 1, atTimestamp: undefined });
      assert.equal((await log.offsets({ timestampMs: 0 })).atTimestamp, 0);
      const { servers, clusterId } = await log.servers();
      assert.equal(clusterId.length > 0, true);
      assert.deepEqual(
        servers.map(({ isLeader, role, highWatermark }) => [isLeader, role, highWatermark]),
        [[true, "voter", 1]],
      );
    }));

  test("an append is repeated only when it certainly did not happen", () =>
    withServer(async (_, server) => {
      const certain = connect(server.httpUrl, {
        fetch: bent((call, real) =>
          call < 3 ? failure("UNAVAILABLE", { "proglog-not-appended": "1" }) : real(),
        ),
      });
      assert.deepEqual(await certain.produce({ value: "x" }), { offset: 0 });
      const lost = connect(server.httpUrl, {
        fetch: bent(async (_call, real) => {
          await real();
          throw new TypeError("fetch failed");
        }),
      });
      await assert.rejects(lost.produce({ value: "y" }), {
        code: "UNAVAILABLE",
        notAppended: false,
      });
      assert.equal((await connect(server.httpUrl).offsets()).next, 2);
      const proxy = connect(server.httpUrl, {
        fetch: bent(() => Promise.resolve(new Response("<html>", { status: 502 }))),
        attemptsMax: 2,
      });
      await assert.rejects(proxy.read(0), { code: "UNAVAILABLE" });
    }));

  test("what a server says once its answer has begun is told, and tried again where that may help", () =>
    withServer(async (log, server) => {
      await log.produce({ value: "x" });
      const line = (code: string): Promise<Response> =>
        Promise.resolve(new Response(`{"error":{"code":"${code}","message":"said"}}\n`));
      const once = (answer: () => Promise<Response>): HttpLog =>
        connect(server.httpUrl, { fetch: bent((call, real) => (call === 1 ? answer() : real())) });
      const damaged = once(() => line("DATA_LOSS"));
      await assert.rejects(damaged.read(0), { code: "DATA_LOSS", message: "said" });
      assert.equal(textOf((await once(() => line("UNAVAILABLE")).read(0)).value), "x");
      for (const body of ["<html>", "{}", "[]"]) {
        const nonsense = (): HttpLog => once(() => Promise.resolve(new Response(body)));
        await assert.rejects(nonsense().read(0), { code: "INTERNAL" });
        const produced = nonsense().produce({ value: "y" });
        await assert.rejects(produced, { code: "INTERNAL", notAppended: false });
      }
    }));
});

describe("streams of a page", () => {
  test("end where the log ends, or after so many records", () =>
    withServer(async (log) => {
      await log.produceAll(["0", "1", "2", "3"].map((value) => ({ value })));
      const read = async (options: Parameters<HttpLog["records"]>[0]): Promise<string> => {
        let all = "";
        for await (const { value } of log.records(options)) all += textOf(value);
        return all;
      };
      assert.equal(await read({}), "0123");
      assert.equal(await read({ from: 2 }), "23");
      assert.equal(await read({ from: "end" }), "");
      assert.equal(await read({ from: new Date(0), limit: 2 }), "01");
      assert.equal(await read({ from: 1, limit: 1, follow: true }), "1");
      await assert.rejects(read({ from: 9, follow: true, signal: AbortSignal.timeout(20) }), {
        code: "DEADLINE_EXCEEDED",
      });
      assert.equal(await read({ from: 4 }), "");
      await assert.rejects(read({ from: 5 }), (error: ProglogError) => {
        assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
        assert.deepEqual({ ...error.details }, { offset: "5", lowest: "0", next: "4" });
        return true;
      });
    }));

  test("a server that is behind is waited for, as far as the page knows", async () => {
    const leader = new MemoryCommitLog();
    const asked: string[] = [];
    await using server = await HttpServer.start({}, leader);
    const log = connect(`http://127.0.0.1:${server.port}`, {
      fetch: async (input, init) => {
        const { pathname, search } = new URL(input instanceof Request ? input.url : input);
        asked.push(pathname + search);
        // As a follower tells it that has not heard of the last records.
        if (pathname === "/v1/offsets") return Response.json({ lowest: 0, next: 1 });
        return fetch(input, init);
      },
    });
    const read = async (options: Parameters<HttpLog["records"]>[0]): Promise<string> => {
      let all = "";
      for await (const { value } of log.records(options)) all += textOf(value);
      return all;
    };
    for (const value of ["0", "1", "2"]) await leader.append({ value: Buffer.from(value) });
    assert.equal(await read({ from: 2 }), "2", "appended by somebody else");
    assert.equal(await read({ minOffset: 1 }), "01");
    assert.equal(textOf((await log.read(1, { minOffset: 2 })).value), "1");
    await log.produceAll([{ value: "3" }, { value: "4" }]);
    assert.equal(await read({}), "01234", "what this page appended is there");
    await log.read(0);
    assert.deepEqual(
      asked.filter((path) => path.startsWith("/v1/records?")),
      [
        "/v1/records?offset=9007199254740991&limit=1",
        "/v1/records?offset=2&follow=true&limit=1",
        "/v1/records?offset=0&follow=true&limit=2&min_offset=1",
        "/v1/records?offset=1&limit=1&min_offset=2",
        "/v1/records?offset=0&follow=true&limit=5&min_offset=4",
        "/v1/records?offset=0&limit=1&min_offset=4",
      ],
    );
  });

  test("follow, and go on after every break where they were", () =>
    withServer(async (log, server) => {
      // Each connection ends in the middle of what comes after its third event.
      const breaking = connect(server.httpUrl, {
        fetch: bent(async (_, real) => {
          const { body, headers } = await real();
          if (headers.get("content-type")?.includes("event-stream") !== true || body === null) {
            return new Response(body, { headers });
          }
          return new Response(body.pipeThrough(cutAfter(150)), { headers });
        }),
      });
      const seen: string[] = [];
      const following = (async () => {
        for await (const { offset, value } of breaking.records({ follow: true, limit: 20 })) {
          assert.equal(offset, seen.length);
          seen.push(textOf(value));
        }
      })();
      for (let i = 0; i < 20; i++) await log.produce({ value: String(i) });
      await following;
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, i) => String(i)),
      );
    }));

  test("a reader who leaves, and one who is called off, end the connection", () =>
    withServer(async (log) => {
      await log.produce({ value: "0" });
      for await (const { offset } of log.records({ follow: true })) {
        assert.equal(offset, 0);
        break;
      }
      const abort = new AbortController();
      const waiting = log.records({ from: 1, follow: true, signal: abort.signal }).next();
      setImmediate(() => abort.abort());
      await assert.rejects(waiting, { code: "CANCELLED" });
    }));

  test("events in pieces of any size", async () => {
    const text =
      ': a comment\n\nid: 1\ndata: {"ü":1}\n\nevent: failure\ndata: a\ndata: b\n\nid: 2\n\n';
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 7, 1_000]) {
      const events: ServerSentEvent[] = [];
      for await (const event of readEvents(inPieces(bytes, size))) events.push(event);
      assert.deepEqual(events, [
        { event: "message", id: "1", data: '{"ü":1}' },
        { event: "failure", id: "", data: "a\nb" },
      ]);
    }
  });
});

function inPieces(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      for (let at = 0; at < bytes.length; at += size) {
        controller.enqueue(bytes.subarray(at, at + size));
      }
      controller.close();
    },
  });
}

/** Breaks a body off after so many bytes. */
function cutAfter(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform: (chunk, controller) => {
      controller.enqueue(chunk.subarray(0, bytesMax - bytes));
      bytes += chunk.length;
      if (bytes >= bytesMax) controller.error(new TypeError("terminated"));
    },
  });
}
