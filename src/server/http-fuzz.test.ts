import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { HttpServer } from "../../test/support/http-call.ts";
import { below, seededRandom } from "../base/index.ts";
import type { Random } from "../base/index.ts";

const CASES = 10_000;
/** Sent on one connection before the first answer is read. */
const PIPELINED = 50;

interface Case {
  readonly method: "POST" | "GET";
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

const BOOK = ['{"record":{"value":"TGV0J3MgR28gIzEK"}}', '{"record":{"value":""}}'];
const OFFSETS = ['{"offset":0}', '{"offset":"17"}', '{"offset":9007199254740991}'];
const RECORDS = [
  '{"value":"text","key":"k","headers":[{"key":"a","value":"b"}],"timestamp_ms":5}',
  '{"records":[{"value":"a"},{"value_base64":"/w==","key_base64":"AA"},{"value":null}]}',
  '{"value":"a","expected_offset":3,"producer":{"id":1,"epoch":0,"sequence":2}}',
];
const LINES = ['{"value":"a"}\n{"value":"b","key":"c"}\n\n{"value_base64":"AAAA"}\n'];

/** Pieces that have meant trouble to someone. */
const PIECES = [
  ...["{", "}", "[", "]", '"', ":", ",", "\\", "\\u0000", "\\ud800", "null", "true", "-", "1e999"],
  ...["9007199254740993", "1.5", "-1", "__proto__", "constructor", "\0", "\r\n", "\ufeff", "ÿ"],
  ...["=", "==", "A", "!", '"offset"', '"records"', '"value"', '"headers":[', "[".repeat(40)],
];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)] as T;
}

/** One change to a body: a byte, a cut, a doubling, a piece from elsewhere. */
function mutate(random: Random, body: Buffer): Buffer {
  const at = below(random, body.length + 1);
  const to = at + below(random, body.length - at + 1);
  switch (below(random, 6)) {
    case 0: {
      const changed = Buffer.from(body);
      if (at < changed.length) changed[at] = below(random, 256);
      return changed;
    }
    case 1:
      return Buffer.concat([body.subarray(0, at), body.subarray(to)]);
    case 2:
      return Buffer.concat([body.subarray(0, to), body.subarray(at)]);
    case 3:
      return body.subarray(0, at);
    case 4: {
      const noise = Buffer.from(Array.from({ length: 8 }, () => below(random, 256)));
      return Buffer.concat([body.subarray(0, at), noise, body.subarray(at)]);
    }
    default: {
      const piece = Buffer.from(pick(random, PIECES));
      return Buffer.concat([body.subarray(0, at), piece, body.subarray(to)]);
    }
  }
}

function caseOf(seed: number): Case {
  const random = seededRandom(seed);
  const kinds = [
    { method: "POST", path: "/", type: "text/plain", seeds: BOOK },
    { method: "GET", path: "/", type: "text/plain", seeds: OFFSETS },
    { method: "POST", path: "/v1/records", type: "application/json", seeds: RECORDS },
    { method: "POST", path: "/v1/records", type: "application/x-ndjson", seeds: LINES },
  ] as const;
  const { method, path, type, seeds } = pick(random, kinds);
  let body = Buffer.from(pick(random, seeds));
  for (let left = below(random, 4); left > 0; left--) body = Buffer.from(mutate(random, body));
  return { method, path, type, body };
}

interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly text: string;
}

function encode({ method, path, type, body }: Case): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
}

/** All answers to what was sent; a client library would cost more than the server. */
async function readAnswers(socket: Socket, count: number): Promise<RawAnswer[]> {
  const answers: RawAnswer[] = [];
  let rest = Buffer.alloc(0);
  while (answers.length < count) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf("\r\n\r\n");
      const head = rest.toString("latin1", 0, end);
      const bytes = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      if (end < 0 || rest.length < end + 4 + bytes) break;
      const text = rest.toString("utf8", end + 4, end + 4 + bytes);
      answers.push({ status: Number(head.slice(9, 12)), head, text });
      rest = rest.subarray(end + 4 + bytes);
    }
  }
  assert.equal(rest.length, 0);
  return answers;
}

/** Records that an answer says were appended. */
function appendedBy(text: string): number {
  const { offset, offsets } = JSON.parse(text) as { offset?: number; offsets?: number[] };
  return offsets?.length ?? (offset === undefined ? 0 : 1);
}

function check({ method, body }: Case, { status, head, text }: RawAnswer, seed: number): void {
  const what = `seed ${seed}: ${status} ${text} to ${JSON.stringify(body.toString("latin1"))}`;
  assert.ok(status === 200 || [400, 404, 412, 413].includes(status), what);
  assert.match(head, /\r\ncontent-type: application\/json\r\n/, what);
  assert.doesNotThrow(() => JSON.parse(text) as unknown, what);
  if (status !== 200 && method === "POST") {
    assert.match(head, /\r\nproglog-not-appended: 1\r\n/, what);
  }
}

describe("bodies of any kind", () => {
  test("are answered, and only what was acknowledged is in the log", async () => {
    await using server = await HttpServer.start();
    const statuses = new Map<number, number>();
    let appended = 0;
    for (let first = 0; first < CASES; first += PIPELINED) {
      const cases = Array.from({ length: PIPELINED }, (_, index) => caseOf(first + index));
      const socket = await server.connect();
      socket.write(Buffer.concat(cases.map(encode)));
      const answers = await readAnswers(socket, PIPELINED);
      for (const [index, answer] of answers.entries()) {
        const one = cases[index] as Case;
        check(one, answer, first + index);
        if (answer.status === 200 && one.method === "POST") appended += appendedBy(answer.text);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      }
      socket.destroy();
    }
    assert.equal(server.log.highWatermark, appended);
    assert.equal((await server.get("/healthz")).status, 200);
    assert.equal(({} as { value?: unknown }).value, undefined);
    // Neither all good nor all bad, or nothing was tried.
    assert.ok((statuses.get(200) ?? 0) > CASES / 10, JSON.stringify([...statuses]));
    assert.ok((statuses.get(400) ?? 0) > CASES / 10, JSON.stringify([...statuses]));
  });
});
