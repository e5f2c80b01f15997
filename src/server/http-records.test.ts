import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { codeOf, HttpServer, messageOf } from "../../test/support/http-call.ts";
import type { Answer } from "../../test/support/http-call.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import type { AppendAnswer, AppendOptions, RecordInput } from "../base/index.ts";
import {
  BATCH_OVERHEAD_BYTES,
  crc32c,
  encodeBatch,
  limits,
  readBatchHeader,
} from "../base/index.ts";

const NDJSON = { "content-type": "application/x-ndjson" };

/** The lines of an answer. */
function linesOf({ text }: Answer): unknown[] {
  const lines = text.split("\n");
  assert.equal(lines.pop(), "", "every line has its end");
  return lines.map((line) => JSON.parse(line) as unknown);
}

function json(value: unknown): string {
  return JSON.stringify(value);
}

/** Remembers what it was asked. */
class SpyLog extends MemoryCommitLog {
  readonly asked: unknown[] = [];
  duplicate = false;

  override async append(record: RecordInput, options: AppendOptions): Promise<AppendAnswer> {
    this.asked.push({ stamp: options.stamp, expectedOffset: options.expectedOffset });
    return { ...(await super.append(record, options)), duplicate: this.duplicate };
  }

  override async appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer> {
    const { producerId, baseSequence } = readBatchHeader(batch);
    this.asked.push({ producerId, baseSequence, expectedOffset: options.expectedOffset });
    return { ...(await super.appendBatch(batch, options)), duplicate: this.duplicate };
  }
}

describe("POST /v1/records", () => {
  test("one record, several, and lines of them", async () => {
    await using server = await HttpServer.start({}, new MemoryCommitLog({ now: () => 1_000 }));
    const one = await server.post("/v1/records", '{"value":"a"}');
    assert.equal(one.status, 200);
    assert.equal(one.text, '{"offsets":[0]}\n');
    const records = [{ value: "b" }, { value: "c", key: "k" }];
    const several = await server.post("/v1/records", json({ records }));
    assert.deepEqual(several.json, { offsets: [1, 2] });
    const lines = '\n{"value":"d"}\r\n  \n{"value":"e"}\n\n{"value":"f"}';
    assert.deepEqual((await server.post("/v1/records", lines, NDJSON)).json, {
      offsets: [3, 4, 5],
    });
    const single = await server.post("/v1/records", '{"value":"g"}\n', NDJSON);
    assert.deepEqual(single.json, { offsets: [6] });
    const values = linesOf(await server.get("/v1/records")).map((record) => {
      return (record as { value: string }).value;
    });
    assert.deepEqual(values, ["a", "b", "c", "d", "e", "f", "g"]);
  });

  test("records come back as they were given, bytes as base64 when they are no text", async () => {
    await using server = await HttpServer.start();
    const records = [
      { timestamp_ms: 1_700_000_000_000, key: "ключ", value: 'quote " and\nline \u0000 😀' },
      { timestamp_ms: 1_700_000_000_001, key_base64: "/w==", value_base64: "/wA=" },
      { timestamp_ms: 1_700_000_000_002, value: null },
      { timestamp_ms: 1_700_000_000_003, key: "", value: "" },
      {
        timestamp_ms: 1_700_000_000_004,
        value: "x",
        headers: [
          { key: "trace", value: "1" },
          { key: "trace", value_base64: "gIA=" },
          { key: "", value: null },
        ],
      },
    ];
    const answer = await server.post("/v1/records", json({ records }));
    assert.deepEqual(answer.json, { offsets: [0, 1, 2, 3, 4] });
    const expected = records.map((record, offset) => ({ offset, ...record }));
    assert.deepEqual(linesOf(await server.get("/v1/records")), expected);
    const lines = records.map(json).join("\n");
    assert.equal((await server.post("/v1/records", lines, NDJSON)).status, 200);
    assert.deepEqual(
      linesOf(await server.get("/v1/records?offset=5")),
      expected.map((record) => ({ ...record, offset: record.offset + 5 })),
    );
  });

  test("text and base64 are two ways to say the same", async () => {
    await using server = await HttpServer.start();
    await server.post(
      "/v1/records",
      '{"value_base64":"aGk","key_base64":"aw==","timestamp_ms":"5"}',
    );
    const expected = [{ offset: 0, timestamp_ms: 5, key: "k", value: "hi" }];
    assert.deepEqual(linesOf(await server.get("/v1/records")), expected);
  });

  test("a record without a time gets the server's", async () => {
    const clock = {
      now: () => 42,
      monotonic: () => 0,
      after: () => () => undefined,
    };
    const log = new MemoryCommitLog({ now: () => 42 });
    await using server = await HttpServer.start({ clock }, log);
    await server.post("/v1/records", '{"value":"a"}');
    await server.post("/v1/records", '{"records":[{"value":"b"},{"value":"c","timestamp_ms":0}]}');
    const times = linesOf(await server.get("/v1/records")).map(
      (record) => (record as { timestamp_ms: number }).timestamp_ms,
    );
    assert.deepEqual(times, [42, 42, 42]);
  });

  test("conditions reach the log: in the body of JSON, beside the lines in the path", async () => {
    const log = new SpyLog();
    await using server = await HttpServer.start({}, log);
    const producer = { id: 7, epoch: 1, sequence: 3 };
    const conditions = { expected_offset: 0, producer };
    await server.post("/v1/records", json({ value: "a", ...conditions }));
    assert.deepEqual(log.asked.pop(), { stamp: producer, expectedOffset: 0 });

    const records = [{ value: "b" }, { value: "c" }];
    await server.post("/v1/records", json({ records, ...conditions, expected_offset: "1" }));
    assert.deepEqual(log.asked.pop(), { producerId: 7, baseSequence: 3, expectedOffset: 1 });

    const search = "expected_offset=3&producer_id=7&producer_epoch=1&producer_sequence=5";
    const lines = '{"value":"d"}\n{"value":"e"}';
    assert.equal((await server.post(`/v1/records?${search}`, lines, NDJSON)).status, 200);
    assert.deepEqual(log.asked.pop(), { producerId: 7, baseSequence: 5, expectedOffset: 3 });

    log.duplicate = true;
    const again = await server.post("/v1/records", json({ records, producer }));
    assert.deepEqual(again.json, { offsets: [5, 6], duplicate: true });
  });

  test("all or none: a condition that fails, a record that is wrong", async () => {
    await using server = await HttpServer.start();
    const records = [{ value: "a" }, { value: "b" }];
    const mismatch = await server.post("/v1/records", json({ records, expected_offset: 1 }));
    assert.equal(mismatch.status, 412);
    assert.equal(codeOf(mismatch), "OFFSET_MISMATCH");
    assert.equal(mismatch.headers["proglog-not-appended"], "1");
    const wrong = await server.post("/v1/records", json({ records: [...records, { value: 7 }] }));
    assert.equal(wrong.status, 400);
    assert.equal(messageOf(wrong), '"records[2]: value" is a string or null');
    assert.equal(wrong.headers["proglog-not-appended"], "1");
    const line = await server.post("/v1/records", '{"value":"a"}\n{"value":}\n', NDJSON);
    assert.match(messageOf(line), /^record 1 is not JSON/);
    assert.equal(server.log.highWatermark, 0);
  });

  const bad: readonly (readonly [body: string, sentence: RegExp])[] = [
    ["", /empty/],
    ["[]", /the body is an object, not a list/],
    ["{}", /neither "value" nor "value_base64"/],
    ['{"vlaue":"a"}', /unknown field "vlaue"/],
    ['{"text":"a"}', /unknown field "text"/],
    ['{"value":"a","value_base64":"AA"}', /both "value" and "value_base64"/],
    ['{"value_base64":"!"}', /not base64/],
    ['{"value_base64":null}', /is a string/],
    ['{"value":7}', /is a string or null/],
    ['{"value":"\\ud800"}', /half of a character/],
    ['{"value":"a","key":7}', /is a string or null/],
    ['{"value":"a","headers":{"a":"b"}}', /is a list/],
    ['{"value":"a","headers":["b"]}', /headers\[0\] is an object/],
    ['{"value":"a","headers":[{"value":"b"}]}', /key" is a text/],
    ['{"value":"a","headers":[{"key":"b"}]}', /neither/],
    ['{"value":"a","headers":[{"key":"b","value":"c","x":1}]}', /unknown field "x"/],
    ['{"value":"a","timestamp_ms":-1}', /timestamp_ms/],
    ['{"value":"a","timestamp_ms":1.5}', /whole number/],
    ['{"value":"a","expected_offset":-1}', /expected_offset/],
    ['{"value":"a","expected_offset":null}', /expected_offset/],
    ['{"value":"a","producer":{}}', /producer id/],
    ['{"value":"a","producer":{"id":1,"epoch":0}}', /producer sequence/],
    ['{"value":"a","producer":{"id":1,"epoch":32768,"sequence":0}}', /producer epoch/],
    ['{"value":"a","producer":{"id":1,"epoch":0,"sequence":2147483648}}', /producer sequence/],
    ['{"value":"a","producer":null}', /"producer" is an object/],
    ['{"records":[]}', /no records/],
    ['{"records":{}}', /"records" is a list/],
    ['{"records":[{"value":"a","expected_offset":1}]}', /unknown field "expected_offset"/],
    ['{"records":[{"value":"a"}],"value":"b"}', /unknown field "value"/],
    ['{"records":["a"]}', /records\[0\] is an object/],
    ['{"__proto__":{"value":"a"}}', /unknown field "__proto__"/],
  ];
  test("what is wrong is said, and nothing is appended", async () => {
    await using server = await HttpServer.start();
    for (const [body, sentence] of bad) {
      const answer = await server.post("/v1/records", body);
      assert.equal(answer.status, 400, body);
      assert.match(messageOf(answer), sentence, body);
      assert.equal(answer.headers["proglog-not-appended"], "1");
    }
    const paths = ["?expected_offset=1", "?x=1", "?producer_id=1"];
    for (const path of paths) {
      assert.equal((await server.post(`/v1/records${path}`, '{"value":"a"}')).status, 400, path);
    }
    for (const path of ["?producer_id=1", "?expected_offset=x"]) {
      const answer = await server.post(`/v1/records${path}`, '{"value":"a"}', NDJSON);
      assert.equal(answer.status, 400, path);
    }
    assert.equal((await server.post("/v1/records", "\n \r\n", NDJSON)).status, 400);
    assert.equal(server.log.highWatermark, 0);
  });

  test("at most so many records, and each of them small enough", async () => {
    await using server = await HttpServer.start();
    const lines = '{"value":""}\n'.repeat(limits.httpRecordsMax);
    const most = await server.post("/v1/records", lines, NDJSON);
    assert.equal((most.json as { offsets: number[] }).offsets.length, limits.httpRecordsMax);
    const records = `[${'{"value":""},'.repeat(limits.httpRecordsMax)}{"value":""}]`;
    for (const answer of [
      await server.post("/v1/records", `${lines}{"value":""}`, NDJSON),
      await server.post("/v1/records", `{"records":${records}}`),
    ]) {
      assert.equal(answer.status, 413);
      assert.equal(codeOf(answer), "BATCH_TOO_LARGE");
    }
    const large = json({ value: "x".repeat(limits.recordBytesMax + 1) });
    for (const body of [large, `{"records":[{"value":""},${large}]}`]) {
      const answer = await server.post("/v1/records", body);
      assert.equal(answer.status, 413);
      assert.equal(codeOf(answer), "RECORD_TOO_LARGE");
      assert.equal(answer.headers["proglog-not-appended"], "1");
    }
    assert.equal(server.log.highWatermark, limits.httpRecordsMax);
  });
});

describe("GET /v1/records", () => {
  const offsetsOf = (answer: Answer): number[] =>
    linesOf(answer).map((record) => (record as { offset: number }).offset);

  const filled = async (count: number): Promise<HttpServer> => {
    const server = await HttpServer.start(
      {},
      new MemoryCommitLog({ now: () => 1_700_000_000_000 }),
    );
    const records = Array.from({ length: count }, (_, index) => ({
      value: String(index),
      timestamp_ms: 1_700_000_000_000 + index * 1_000,
    }));
    for (const record of records) await server.post("/v1/records", json(record));
    return server;
  };

  test("a range, and no more than asked for", async () => {
    await using server = await filled(5);
    assert.deepEqual(offsetsOf(await server.get("/v1/records")), [0, 1, 2, 3, 4]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?offset=3")), [3, 4]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?offset=1&limit=2")), [1, 2]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?limit=100")), [0, 1, 2, 3, 4]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?from=start&limit=1")), [0]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?from=4")), [4]);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?from=end")), []);
    assert.deepEqual(offsetsOf(await server.get("/v1/records?offset=5")), []);
    const { headers } = await server.get("/v1/records");
    assert.equal(headers["content-type"], "application/x-ndjson");
  });

  test("from a time on", async () => {
    await using server = await filled(3);
    const at = (ms: number): string => encodeURIComponent(new Date(ms).toISOString());
    const from = async (time: string): Promise<number[]> =>
      offsetsOf(await server.get(`/v1/records?from=${time}`));
    assert.deepEqual(await from(at(1_700_000_001_000)), [1, 2]);
    assert.deepEqual(await from(at(1_700_000_002_001)), []);
    assert.deepEqual(await from("2001-01-01"), [0, 1, 2]);
    assert.deepEqual(await from("2001-01-01T00:00:00%2b02:00"), [0, 1, 2]);
  });

  test("outside of the log", async () => {
    await using server = await filled(3);
    const past = await server.get("/v1/records?offset=4");
    assert.equal(past.status, 404);
    assert.equal(codeOf(past), "OFFSET_OUT_OF_RANGE");
    server.log.lowestOffset = 2;
    assert.equal((await server.get("/v1/records?offset=1")).status, 404);
    assert.equal((await server.get("/v1/records?offset=1&follow")).status, 404);
    assert.deepEqual(offsetsOf(await server.get("/v1/records")), [2]);
  });

  const badSearches = [
    ...["offset=-1", "offset=1.5", "offset=x", "offset=", "offset=9007199254740992", "limit=0"],
    ...["limit=-1", "limit=x", "follow=yes", "from=x", "from=2020-13-45", "from=-1"],
    ...["from=2020-01-01T00:00:00", "offset=1&from=1", "offset=1&offset=1", "x=1", "Offset=1"],
    ...["min_offset=", "min_offset=-1", "min_offset=9007199254740992", "minOffset=1"],
  ];
  test("what cannot be asked", async () => {
    await using server = await filled(1);
    for (const search of badSearches) {
      const answer = await server.get(`/v1/records?${search}`);
      assert.equal(answer.status, 400, search);
      assert.equal(codeOf(answer), "INVALID_ARGUMENT");
    }
  });

  test("compressed batches are inflated, whatever else is in them", async () => {
    const records = [{ value: Buffer.from("a") }, { value: Buffer.from("b") }];
    const plain = encodeBatch(records, { nowMs: 7 });
    const body = gzipSync(plain.subarray(BATCH_OVERHEAD_BYTES));
    const batch = Buffer.concat([plain.subarray(0, BATCH_OVERHEAD_BYTES), body]);
    batch.writeInt32BE(batch.length - 12, 8);
    batch.writeInt16BE(1, 21);
    batch.writeUInt32BE(crc32c(batch, 21), 17);
    await using server = await HttpServer.start();
    await server.log.appendBatch(batch);
    const lines = linesOf(await server.get("/v1/records"));
    assert.deepEqual(lines, [
      { offset: 0, timestamp_ms: 7, value: "a" },
      { offset: 1, timestamp_ms: 7, value: "b" },
    ]);
    assert.deepEqual((await server.get("/?offset=1")).json, {
      record: { value: "Yg==", offset: 1 },
    });
  });
});
