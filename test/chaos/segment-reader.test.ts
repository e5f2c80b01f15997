/** The reader that knows the format and not the engine, against the engine. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent } from "../../src/agent/index.ts";
import { connect } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { readDirectory, recordsOf } from "./segment-reader.ts";

const COUNT = 40;

test("what a server wrote is read by the page that describes it, and what is damaged is seen", async (t) => {
  const dataDir = join(makeFolder(t), "data");
  {
    const ports = { rpcPort: 0, bindAddr: "127.0.0.1:0" };
    await using agent = await startAgent({ dataDir, segmentBytes: 4096, ...ports });
    await using client = connect(agent.rpcAddress);
    for (let n = 0; n < COUNT; n++) {
      await client.produce({
        key: Buffer.from("k"),
        value: Buffer.from(`${n}:${"v".repeat(300)}`),
      });
    }
  }
  const folder = join(dataDir, "logs", "default");
  const segments = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .toSorted();
  assert.ok(segments.length > 3, `${segments.length} segments`);

  const whole = readDirectory(dataDir);
  assert.deepEqual(whole.damage, []);
  const offsets = recordsOf(whole).map(
    ({ offset, value }) => `${offset} ${value.split(":")[0] ?? ""}`,
  );
  assert.deepEqual(
    offsets,
    Array.from({ length: COUNT }, (_, n) => `${n} ${n}`),
  );

  await t.test("one bit in any place of a sealed segment", () => {
    const path = join(folder, segments[1] ?? "");
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at += 61) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 << (at % 8)), at);
      writeFileSync(path, bad);
      assert.ok(readDirectory(dataDir).damage.length > 0, `the bit at ${at} is not seen`);
    }
    writeFileSync(path, good);
  });

  await t.test("a last frame that is torn is no damage, a segment that is short is", () => {
    const last = join(folder, segments.at(-1) ?? "");
    const { length } = readFileSync(last);
    truncateSync(last, length - 1);
    assert.deepEqual(readDirectory(dataDir).damage, []);
    truncateSync(join(folder, segments[0] ?? ""), 100);
    assert.notDeepEqual(readDirectory(dataDir).damage, []);
  });
});
