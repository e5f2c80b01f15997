import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { readLines } from "./lines.ts";

async function linesOf(chunks: readonly string[], lineBytesMax = 100): Promise<string[]> {
  const lines: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk, "latin1")));
  for await (const line of readLines(stream, lineBytesMax)) {
    lines.push(Buffer.from(line).toString("latin1"));
  }
  return lines;
}

test("lines are the same however their bytes arrive", async () => {
  const text = "one\n\n\xff\xfe two\r\nlast";
  const wanted = ["one", "", "\xff\xfe two\r", "last"];
  for (let size = 1; size <= text.length; size++) {
    const chunks: string[] = [];
    for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size));
    assert.deepEqual(await linesOf(chunks), wanted, `chunks of ${size}`);
  }
});

test("a newline at the end ends the last line, and begins no other", async () => {
  assert.deepEqual(await linesOf(["a\n"]), ["a"]);
  assert.deepEqual(await linesOf(["\n"]), [""]);
  assert.deepEqual(await linesOf([]), []);
});

test("a line may be as long as the limit, and is refused beyond it before its end is seen", async () => {
  assert.deepEqual(await linesOf(["12", "345\n1"], 5), ["12345", "1"]);
  await assert.rejects(linesOf(["a\n", "123", "456"], 5), {
    code: "RECORD_TOO_LARGE",
    message: "line 2 is longer than 5 bytes",
  });
});
