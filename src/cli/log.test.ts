/** `proglog log …` on directories that no server has open. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { makeFolder } from "../../test/support/program.ts";
import { runCli, startServer } from "../../test/support/server.ts";
import { batchEndOffset } from "../base/index.ts";
import { completeConfig, openDataLog, startAgent } from "../agent/index.ts";
import { connect } from "../client/index.ts";

type Json = Record<string, unknown>;

const linesOf = (text: string): Json[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);

const RECORDS = 30;

/** A directory with records of one producer, in several segments, closed in order. */
async function makeLog(t: TestContext): Promise<string> {
  const dataDir = join(makeFolder(t), "data");
  const agent = await startAgent({
    dataDir,
    rpcPort: 0,
    bindAddr: "127.0.0.1:0",
    segmentBytes: 4096,
  });
  const client = connect(agent.rpcAddress);
  const producer = client.producer({ name: "maker", batchBytesMax: 500 });
  for (let i = 0; i < RECORDS; i++) {
    const headers = [{ key: "n", value: Buffer.from([i]) }];
    await producer.send({ key: Buffer.from(`k${i}`), value: Buffer.alloc(400, i), headers });
    await producer.flush();
  }
  await producer.close();
  await client.close();
  await agent.close();
  return dataDir;
}

async function exported(dataDir: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(["log", "export", dataDir, ...more]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

/** Flips a bit in a record of the oldest segment; answers where. */
async function damage(dataDir: string): Promise<{ path: string; position: number }> {
  const directory = join(dataDir, "logs", "default");
  const [oldest = ""] = (await readdir(directory)).filter((name) => name.endsWith(".log")).sort();
  const path = join(directory, oldest);
  const bytes = await readFile(path);
  const position = bytes.indexOf(Buffer.alloc(100, 1));
  bytes.writeUInt8(bytes.readUInt8(position) ^ 1, position);
  await writeFile(path, bytes);
  return { path, position };
}

test("verify reads everything, and leaves a whole log as it was", async (t) => {
  const dataDir = await makeLog(t);
  const before = await exported(dataDir);
  const plain = await runCli(["log", "verify", dataDir]);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout, /^whole: \d+ segments, \d+ bytes, 30 offsets \(0 to 29\)\n$/);
  const [json] = linesOf((await runCli(["log", "verify", dataDir, "--json"])).stdout);
  assert.ok(Number(json?.["segment_count"]) > 1);
  assert.deepEqual(json?.["damage"], []);
  assert.equal(await exported(dataDir), before);
});

test("verify tells damage with file, bytes and offsets; dump and export go on behind it", async (t) => {
  const dataDir = await makeLog(t);
  const { path, position } = await damage(dataDir);
  const { code, stdout } = await runCli(["log", "verify", dataDir]);
  assert.equal(code, 1);
  const [told = "", last = ""] = stdout.split("\n");
  const [, file, from, to, first, lastLost] =
    /^(.*): bytes (\d+) to (\d+) are damaged: offsets (\d+) to (\d+) are lost$/.exec(told) ?? [];
  assert.equal(file, path);
  assert.ok(Number(from) <= position && position < Number(to));
  assert.match(last, /^DAMAGED: /);
  const lost = Number(lastLost) - Number(first) + 1;

  const partly = await runCli(["log", "export", dataDir]);
  assert.equal(partly.code, 1);
  assert.equal(linesOf(partly.stdout).length, RECORDS - lost);
  assert.match(partly.stderr, /are damaged/);
  const dumped = await runCli(["log", "dump", dataDir, "--json"]);
  assert.equal(dumped.code, 1);
  assert.equal((JSON.parse(dumped.stderr) as { error: Json }).error["code"], "DATA_LOSS");
  const kept = linesOf(dumped.stdout).reduce(
    (sum, entry) => sum + Number(entry["record_count"]),
    0,
  );
  assert.equal(kept, RECORDS - lost);
});

/** Each file of a log with its bytes. */
async function filesOf(dataDir: string): Promise<Record<string, string>> {
  const directory = join(dataDir, "logs", "default");
  const files: Record<string, string> = {};
  for (const name of await readdir(directory)) {
    files[name] = (await readFile(join(directory, name))).toString("base64");
  }
  return files;
}

test("verify, dump and export leave a torn log as it is, and see what a start would keep", async (t) => {
  const dataDir = await makeLog(t);
  const directory = join(dataDir, "logs", "default");
  const newest = (await readdir(directory))
    .filter((name) => name.endsWith(".log"))
    .sort()
    .at(-1);
  // As after a power cut: the state does not vouch for it, and half a frame is at the end.
  await rm(join(directory, `${newest?.slice(0, -4) ?? ""}.index`));
  await appendFile(join(directory, newest ?? ""), Buffer.alloc(100, 7));
  const before = await filesOf(dataDir);
  const { code, stdout, stderr } = await runCli(["log", "verify", dataDir, "--json"]);
  assert.equal(code, 0, stderr);
  assert.equal(linesOf(stdout)[0]?.["torn_bytes"], 100);
  assert.equal(linesOf((await runCli(["log", "export", dataDir])).stdout).length, RECORDS);
  assert.equal((await runCli(["log", "dump", dataDir])).code, 0);
  assert.deepEqual(await filesOf(dataDir), before);
  // A start does cut.
  await (await startAgent({ dataDir, rpcPort: 0, bindAddr: "127.0.0.1:0" })).close();
  assert.notDeepEqual(await filesOf(dataDir), before);
});

test("dump shows entries, and the records in them when asked", async (t) => {
  const dataDir = await makeLog(t);
  const entries = linesOf((await runCli(["log", "dump", dataDir])).stdout);
  assert.deepEqual(
    entries.map(({ index }) => index),
    entries.map((_, at) => at + 1),
  );
  const types = new Set(entries.map(({ type }) => type));
  assert.deepEqual([...types], ["noop", "producer_created", "records"]);
  const batch = entries.find(({ type }) => type === "records");
  assert.equal(batch?.["base_offset"], 0);
  assert.equal(batch["producer_id"], 2);
  assert.equal(batch["records"], undefined);
  const full = linesOf((await runCli(["log", "dump", dataDir, "--records"])).stdout);
  const [record] = full.find(({ type }) => type === "records")?.["records"] as Json[];
  assert.deepEqual([record?.["offset"], record?.["key"]], [0, "k0"]);
});

test("what export writes, import brings into a directory or a server, in both formats", async (t) => {
  const dataDir = await makeLog(t);
  const all = await exported(dataDir);
  assert.equal(linesOf(await exported(dataDir, "--from", "10")).length, RECORDS - 10);
  assert.equal(await exported(dataDir, "--from", "end"), "");

  const copy = join(makeFolder(t), "copy");
  const into = await runCli(["log", "import", "--data-dir", copy, "--json"], { input: all });
  assert.deepEqual(linesOf(into.stdout), [{ records: RECORDS }]);
  assert.equal(await exported(copy), all);

  const server = await startServer(t);
  const at = ["--address", server.rpcAddress];
  assert.equal((await runCli(["log", "import", ...at, "-"], { input: all })).code, 0);
  const consumed = await runCli(["consume", "--json", ...at]);
  assert.equal(consumed.stdout, all);
});

test("batches are exported as they are stored, and refused when they are not whole", async (t) => {
  const dataDir = await makeLog(t);
  const all = await exported(dataDir);
  const folder = makeFolder(t);
  const held = await openDataLog(completeConfig({ dataDir }));
  const { log } = held;
  const batches: Uint8Array[] = [];
  for (let at = 0; at < log.syncedOffset;) {
    const read = await log.readBatches(at, { maxBytes: 1 << 20, limitOffset: log.syncedOffset });
    batches.push(...read);
    at = batchEndOffset(read[read.length - 1] as Uint8Array);
  }
  const bytes = Buffer.concat(batches);
  await held.close();
  const copy = ["--format", "batches", "--data-dir", join(folder, "copy")];
  const { code, stderr } = await runCli(["log", "import", ...copy], { input: bytes });
  assert.equal(code, 0, stderr);
  assert.equal(await exported(join(folder, "copy")), all);

  for (const broken of [bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(70)])]) {
    const { code: failed, stderr: why } = await runCli(["log", "import", ...copy], {
      input: broken,
    });
    assert.equal(failed, 1);
    assert.match(why, /batch/);
  }
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  const crc = await runCli(["log", "import", ...copy], { input: flipped });
  assert.match(crc.stderr, /checksum/);
});

test("a directory with a server, or without a log, is refused and left alone", async (t) => {
  const server = await startServer(t);
  for (const command of ["verify", "dump", "export"]) {
    const locked = await runCli(["log", command, server.dataDir]);
    assert.deepEqual([locked.code, locked.stdout], [69, ""], command);
    const nowhere = join(makeFolder(t), "nothing");
    const { code, stderr } = await runCli(["log", command, nowhere]);
    assert.equal(code, 78);
    assert.match(stderr, /there is no log in/);
    assert.equal(existsSync(nowhere), false);
  }
  const both = ["log", "import", "--data-dir", "x", "--address", "y:1"];
  assert.equal((await runCli(both)).code, 78);
  const missing = await runCli([
    "log",
    "import",
    join(server.dataDir, "missing"),
    "--address",
    "y:1",
  ]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /ENOENT/);
});

test("a look at a log keeps what producers need to go on", async (t) => {
  const dataDir = await makeLog(t);
  const name = join(dataDir, "logs", "default");
  const state = async (): Promise<string[]> =>
    Promise.all(
      (await readdir(name))
        .filter((file) => file.endsWith(".side"))
        .sort()
        .map(async (file) => (await readFile(join(name, file))).toString("hex")),
    );
  const before = await state();
  assert.equal((await runCli(["log", "verify", dataDir])).code, 0);
  assert.deepEqual(await state(), before);
});
