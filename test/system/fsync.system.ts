import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/client/index.ts";
import { makeFolder, startProgram } from "../support/program.ts";
import type { Program } from "../support/program.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { root } from "../support/sources.ts";

const AGENT = [process.execPath, join(root, "dist", "cli", "main.js"), "agent"] as const;
const STRACE = skipUnless(commandExists("strace"), "the program strace");

function settings(dataDir: string): Record<string, string> {
  return {
    PROGLOG_DATA_DIR: dataDir,
    PROGLOG_RPC_PORT: "0",
    PROGLOG_HTTP_PORT: "auto",
    // One thread, so that strace counts the calls as the log makes them.
    UV_THREADPOOL_SIZE: "1",
  };
}

/** A server of which a system call fails, the `nth` time and ever after. */
function startFailing(
  t: Parameters<typeof startProgram>[0],
  dataDir: string,
  call: string,
  inject: string,
): Promise<Program> {
  const trace = ["-f", "-o", "/dev/null", "-e", `trace=${call}`, "-e", `inject=${call}:${inject}`];
  return startProgram(t, "strace", [...trace, ...AGENT], { env: settings(dataDir) });
}

/** Appends until the server ends; the values that were acknowledged, by offset. */
async function appendUntilItEnds(server: Program): Promise<Map<number, string>> {
  const acknowledged = new Map<number, string>();
  const client = connect(server.grpc, { timeoutMs: 5_000 });
  try {
    for (let i = 0; i < 10_000; i++) {
      const value = `value ${i}`;
      const { offset } = await client.produce({ value: Buffer.from(value) });
      acknowledged.set(offset, value);
    }
    assert.fail("the server goes on although its disk fails");
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
  } finally {
    await client.close();
  }
  return acknowledged;
}

async function holds(
  t: Parameters<typeof startProgram>[0],
  dataDir: string,
  acknowledged: ReadonlyMap<number, string>,
): Promise<void> {
  const [command, ...args] = AGENT;
  const server = await startProgram(t, command, args, { env: settings(dataDir) });
  const client = connect(server.grpc);
  for (const [offset, value] of acknowledged) {
    const record = await client.read(offset);
    assert.equal(Buffer.from(record.value ?? []).toString(), value);
  }
  const { offset } = await client.produce({ value: Buffer.from("after") });
  assert.ok(offset >= acknowledged.size, "offsets are never given twice");
  await client.close();
  assert.equal(await server.end("SIGTERM"), 0);
}

for (const nth of [20, 33, 50]) {
  test(
    `the ${nth}th fdatasync fails: exit 74, and the next start holds what was promised`,
    STRACE,
    async (t) => {
      const dataDir = join(makeFolder(t), "data");
      const server = await startFailing(t, dataDir, "fdatasync", `error=EIO:when=${nth}`);
      const acknowledged = await appendUntilItEnds(server);
      assert.equal(await server.ended, 74);
      assert.ok(acknowledged.size > 0, "some appends came before");
      await holds(t, dataDir, acknowledged);
    },
  );
}

test("a write fails: exit 74, and the next start holds what was promised", STRACE, async (t) => {
  const dataDir = join(makeFolder(t), "data");
  const server = await startFailing(t, dataDir, "pwrite64", "error=EIO:when=40+");
  const acknowledged = await appendUntilItEnds(server);
  assert.equal(await server.ended, 74);
  await holds(t, dataDir, acknowledged);
});
