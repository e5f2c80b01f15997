import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { ProglogError } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { startProgram } from "../support/program.ts";
import type { Program } from "../support/program.ts";
import { isRoot, skipUnless } from "../support/require.ts";
import { root } from "../support/sources.ts";

const MiB = 1024 * 1024;

/** A file system of its own that holds so much; unmounted with the test. */
function mount(t: TestContext, bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), "proglog-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder]);
  t.after(() => {
    execFileSync("umount", ["--lazy", folder]);
    rmdirSync(folder);
  });
  return folder;
}

function start(t: TestContext, folder: string): Promise<Program> {
  return startProgram(t, process.execPath, [join(root, "dist", "cli", "main.js"), "agent"], {
    env: {
      PROGLOG_DATA_DIR: join(folder, "data"),
      PROGLOG_RPC_PORT: "0",
      PROGLOG_HTTP_PORT: "auto",
      PROGLOG_SEGMENT_BYTES: String(MiB),
    },
  });
}

const VALUE = Buffer.alloc(100_000, "v");

async function appendUntilFull(client: Client): Promise<number> {
  for (let count = 0; count < 10_000; count++) {
    try {
      await client.produce({ value: VALUE });
    } catch (error) {
      assert.ok(error instanceof ProglogError, String(error));
      assert.equal(error.code, "RESOURCE_EXHAUSTED");
      assert.equal(error.notAppended, true);
      return count;
    }
  }
  throw new Error("a small disk took everything");
}

test(
  "a disk that fills: appends are refused, reads go on, and appends resume by themselves",
  skipUnless(isRoot(), "root, to mount a tmpfs"),
  async (t) => {
    const folder = mount(t, 96 * MiB);
    const ballast = join(folder, "ballast");
    writeFileSync(ballast, Buffer.alloc(16 * MiB));
    const server = await start(t, folder);
    const client = connect(server.grpc);
    const taken = await appendUntilFull(client);
    assert.ok(taken > 10, `${taken} records were taken`);
    const response = await fetch(`http://${server.http as string}/`, {
      method: "POST",
      body: '{"record":{"value":"AA=="}}',
    });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("proglog-not-appended"), "1");
    assert.equal((await client.read(taken - 1)).value?.length, VALUE.length);
    unlinkSync(ballast);
    const resumed = await appendAgain(client);
    assert.ok(resumed >= taken);
    await client.close();
    assert.equal(await server.end("SIGKILL"), "SIGKILL");
    const again = await start(t, folder);
    const reader = connect(again.grpc);
    let count = 0;
    for await (const record of reader.records({ from: "start", follow: false })) {
      assert.equal(record.offset, count++);
      assert.equal(record.value?.length, VALUE.length);
    }
    assert.equal(count, resumed + 1);
    await reader.close();
    assert.equal(await again.end("SIGTERM"), 0);
  },
);

/** Free space is looked at about every second, so the first tries may still be refused. */
async function appendAgain(client: Client): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      return (await client.produce({ value: VALUE })).offset;
    } catch (error) {
      assert.ok(error instanceof ProglogError && error.code === "RESOURCE_EXHAUSTED");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("appends do not resume although there is room");
}
