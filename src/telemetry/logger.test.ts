import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../base/index.ts";
import type { Fields, LogLevel } from "../base/index.ts";
import { LineWriter } from "./line-writer.ts";
import { Logger } from "./logger.ts";

interface Logged {
  readonly logger: Logger;
  readonly lines: () => string[];
}

function loggerTo(format: "json" | "text", level: LogLevel = "info"): Logged {
  let written = "";
  const sink = { write: (text: string) => (written += text) };
  const logger = new Logger({ sink, format, level, onDropped: () => undefined });
  const lines = (): string[] => {
    logger.flush();
    return written.split("\n").slice(0, -1);
  };
  return { logger, lines };
}

function logged(format: "json" | "text", fields: Fields): string {
  const { logger, lines } = loggerTo(format);
  logger.log("info", "event", fields);
  const [line = "", ...more] = lines();
  assert.deepEqual(more, []);
  return line;
}

/** What somebody may send in the hope that it is logged. */
const INJECTIONS: readonly string[] = [
  'x\n{"level":"error","event":"forged"}',
  "x\r\nproglog: error forged",
  '","event":"forged","x":"',
  "\u001b[2J\u001b[31mred\u0007",
  "\u009b2J\u0085next\u2028line\u2029",
  "\u202eevil\u2066\u200b",
  "\u0000\u007f",
  "\ud800",
];

describe("a log line", () => {
  test("is one object: level, time, event, fields", () => {
    const line = JSON.parse(logged("json", { bytes: 17, torn: true, left: undefined })) as Fields;
    const { time, ...rest } = line;
    assert.deepEqual(rest, { level: "info", bytes: 17, torn: true, event: "event" });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("or words for a person", () => {
    const line = logged("text", { file: "a b", bytes: 17 });
    assert.equal(line, 'proglog: info event file="a b" bytes=17');
  });

  test("is written from its level on", () => {
    const { logger, lines } = loggerTo("text", "warn");
    for (const level of ["debug", "info", "warn", "error"] as const) logger.log(level, "x");
    assert.deepEqual(lines(), ["proglog: warn x", "proglog: error x"]);
  });

  for (const text of INJECTIONS) {
    for (const format of ["json", "text"] as const) {
      test(`${format}: stays one line, and acts on nothing: ${JSON.stringify(text)}`, () => {
        const line = logged(format, { error: text });
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        if (format === "json") {
          assert.equal((JSON.parse(line) as { event: string }).event, "event");
        }
      });
    }
  }

  const secrets: readonly [name: string, value: string][] = [
    ["value", "what a client stored"],
    ["record.value", "what a client stored"],
    ["record_key", "customer-7"],
    ["authorization", "Bearer abcdefgh.ijkl"],
    ["gossip-key", "c2VjcmV0"],
    ["password", "hunter2"],
    ["error", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"],
    ["error", "cannot use -----BEGIN PRIVATE KEY-----MHcCAQEE"],
    ["error", "header Authorization: Bearer eyJhbGciOi.abc"],
  ];
  for (const [name, value] of secrets) {
    test(`tells no secret: ${name} ${value.slice(0, 20)}`, () => {
      const line = logged("json", { [name]: value });
      assert.match(line, /\[redacted\]/);
      assert.doesNotMatch(line, /stored|customer|abcdefgh|c2Vj|hunter2|MHcC|eyJh/);
    });
  }

  test("keeps what only sounds like one", () => {
    const line = logged("json", { keys: 3, records_total: 4, path: "/v1/records" });
    assert.doesNotMatch(line, /redacted/);
  });

  test("has an end", () => {
    const line = logged("json", { error: "x".repeat(1_000_000) });
    assert.ok(line.length < limits.logFieldCharsMax + 200, `${line.length} characters`);
  });
});

describe("lines on their way", () => {
  test("of one turn are one write", async () => {
    const writes: string[] = [];
    const writer = new LineWriter({ write: (text) => writes.push(text) }, () => undefined);
    writer.write("a\n");
    writer.write("b\n");
    assert.deepEqual(writes, []);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(writes, ["a\nb\n"]);
  });

  test("that nobody takes are dropped and counted", () => {
    let dropped = 0;
    const sink = { write: () => true, writableLength: limits.logBufferBytesMax - 5 };
    const writer = new LineWriter(sink, (lines) => (dropped += lines));
    for (const line of ["1234\n", "5678\n", "9\n"]) writer.write(line);
    writer.flush();
    assert.equal(dropped, 2);
  });
});
