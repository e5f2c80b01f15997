/** A real file system that is full: appends are refused, nothing is lost, and it goes on by itself. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { limits, ProglogError } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { openLog } from "../../src/log/index.ts";
import { skipUnless } from "../support/require.ts";
import { AgentProcess } from "./support/agent.ts";
import { canMount, fill, mountTmpfs } from "./support/mounts.ts";

const MiB = 1 << 20;
const needsMount = skipUnless(canMount(), "root that may mount");
const flags = ["--segment-bytes", "1MiB"];
/** Tells at once what the server says, instead of trying again. */
const IMPATIENT = { retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 } };

/** Bytes that are different for each record. */
function valueOf(n: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${n} `);
}

function code(error: unknown): string {
  return ProglogError.from(error).code;
}

test(
  "a server refuses before the disk is full, and goes on when there is room",
  needsMount,
  async (t) => {
    const mounted = mountTmpfs(t, limits.freeBytesMin + 40 * MiB);
    const dataDir = join(mounted, "data");
    const acknowledged: Buffer[] = [];
    {
      await using server = new AgentProcess({ dataDir, flags });
      const address = await server.ready;
      await using client = connect(address, IMPATIENT);
      const ballast = fill(mounted, limits.freeBytesMin + 6 * MiB);
      const refusal = await produceUntilRefused(client, acknowledged, 256 << 10);
      assert.equal(refusal.code, "RESOURCE_EXHAUSTED");
      assert.equal(refusal.notAppended, true);
      assert.ok(acknowledged.length > 4, `${acknowledged.length} were taken before`);

      const body = JSON.stringify({ record: { value: "AAAA" } });
      const response = await fetch(`http://${address}/`, { method: "POST", body });
      assert.equal(response.status, 429, await response.text());
      assert.equal(response.headers.get("proglog-not-appended"), "1");
      await checkAll(client, acknowledged);

      rmSync(ballast);
      await produceWhenTaken(client, acknowledged);
      await checkAll(client, acknowledged);
      server.signal("SIGTERM");
      assert.equal(await server.ended, 0, server.stderr);
    }
    await using server = new AgentProcess({ dataDir, flags });
    await using client = connect(await server.ready);
    await checkAll(client, acknowledged);
    await produceWhenTaken(client, acknowledged);
  },
);

test(
  "a server on a disk that others filled to the last byte: killed, started, ended, all there",
  needsMount,
  async (t) => {
    const mounted = mountTmpfs(t, limits.freeBytesMin + 16 * MiB);
    const dataDir = join(mounted, "data");
    const acknowledged: Buffer[] = [];
    {
      await using server = new AgentProcess({ dataDir, flags });
      await using client = connect(await server.ready, IMPATIENT);
      for (let n = 0; n < 20; n++) await produce(client, acknowledged, 5000);
      // The server learns of it by its next look at the free space, or by a write that fails.
      fill(mounted, 0);
      const refusal = await produceUntilRefused(client, acknowledged, 300_000);
      assert.equal(refusal.code, "RESOURCE_EXHAUSTED");
      await checkAll(client, acknowledged);
      server.signal("SIGKILL");
      await server.ended;
    }
    {
      await using server = new AgentProcess({ dataDir, flags });
      await using client = connect(await server.ready, IMPATIENT);
      await checkAll(client, acknowledged);
      await assert.rejects(client.produce({ value: valueOf(0, 5000) }), {
        code: "RESOURCE_EXHAUSTED",
      });
      server.signal("SIGTERM");
      assert.equal(await server.ended, 0, server.stderr);
    }
    rmSync(join(mounted, "ballast"));
    await using server = new AgentProcess({ dataDir, flags });
    await using client = connect(await server.ready);
    await checkAll(client, acknowledged);
    await produceWhenTaken(client, acknowledged);
    await checkAll(client, acknowledged);
  },
);

test("writes that do not fit are taken back, many times over", needsMount, async (t) => {
  const mounted = mountTmpfs(t, MiB);
  const options = { freeBytesMin: 0, segmentBytesMax: 16 << 10, scrubBytesPerSecond: 0 };
  const acknowledged: Buffer[] = [];
  let failedWrites = 0;
  for (let round = 0; round < 6; round++) {
    const ballast = fill(mounted, (100 << 10) + round * 1000);
    await using log = await openLog(join(mounted, "data"), options);
    // The free space is asked for now and then only: in between the writes themselves must fail.
    for (let n = 0; n < 60; n++) {
      const values = [1, 2, 3].map((i) => valueOf(round * 1000 + n * 3 + i, 700 * i));
      const appends = values.map((value) => log.append([{ value }]));
      for (const [i, append] of (await Promise.allSettled(appends)).entries()) {
        if (append.status === "fulfilled") {
          assert.equal(append.value.baseOffset, acknowledged.length);
          acknowledged.push(values[i] ?? Buffer.alloc(0));
        } else {
          const error = ProglogError.from(append.reason);
          assert.ok(error.code === "RESOURCE_EXHAUSTED" && error.notAppended, String(error));
          if (error.cause !== undefined) failedWrites++;
        }
      }
    }
    assert.equal(log.nextOffset, acknowledged.length, "what was refused is not there");
    rmSync(ballast);
  }
  await using log = await openLog(join(mounted, "data"), options);
  let offset = 0;
  for await (const record of log.records()) {
    assert.deepEqual(Buffer.from(record.value ?? []), acknowledged[offset++]);
  }
  assert.equal(offset, acknowledged.length);
  assert.ok(failedWrites > 0, "writes have failed");
  assert.ok(acknowledged.length > 20, `${acknowledged.length} were taken`);
});

async function produce(client: Client, acknowledged: Buffer[], bytes: number): Promise<void> {
  const value = valueOf(acknowledged.length, bytes);
  const { offset } = await client.produce({ value });
  assert.equal(offset, acknowledged.length);
  acknowledged.push(value);
}

async function produceUntilRefused(
  client: Client,
  acknowledged: Buffer[],
  bytes: number,
): Promise<ProglogError> {
  for (let n = 0; n < 1000; n++) {
    try {
      await produce(client, acknowledged, bytes);
    } catch (error) {
      return ProglogError.from(error);
    }
  }
  return assert.fail("nothing was refused");
}

/** The free space is looked at once a second. */
async function produceWhenTaken(client: Client, acknowledged: Buffer[]): Promise<void> {
  let last = "";
  for (let n = 0; n < 200; n++) {
    try {
      await produce(client, acknowledged, 100);
      return;
    } catch (error) {
      assert.equal(code(error), "RESOURCE_EXHAUSTED");
      last = String(error);
    }
    await sleep(50);
  }
  assert.fail(`writing does not resume: ${last}`);
}

async function checkAll(client: Client, acknowledged: readonly Buffer[]): Promise<void> {
  let offset = 0;
  for await (const record of client.records({ from: 0 })) {
    assert.equal(record.offset, offset);
    assert.deepEqual(Buffer.from(record.value ?? []), acknowledged[offset++]);
  }
  assert.equal(offset, acknowledged.length);
}
