import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { below, seededRandom } from "../../src/base/index.ts";
import { makeFolder, startProgram } from "../support/program.ts";
import type { Program } from "../support/program.ts";
import { root } from "../support/sources.ts";

const CYCLES = Number(process.env["PROGLOG_KILL_CYCLES"] ?? 300);
const CHECK_EVERY = 20;

/** What the servers said yes to, kept where no server can touch it. */
class Journal {
  readonly acknowledged: Map<number, string> = new Map();
  /** Values in the log so far, by offset. */
  readonly read: string[] = [];
  serial = 0;

  next(): string {
    return `value ${this.serial++} ${"x".repeat(this.serial % 300)}`;
  }

  note(offset: number, value: string): void {
    assert.equal(this.acknowledged.has(offset), false, `offset ${offset} was given away twice`);
    this.acknowledged.set(offset, value);
  }
}

async function start(t: Parameters<typeof startProgram>[0], dataDir: string): Promise<Program> {
  return startProgram(t, process.execPath, [join(root, "dist", "cli", "main.js"), "agent"], {
    env: {
      PROGLOG_DATA_DIR: dataDir,
      PROGLOG_RPC_PORT: "0",
      PROGLOG_HTTP_PORT: "auto",
      PROGLOG_SEGMENT_BYTES: String(256 * 1024),
    },
  });
}

/** Writes one after the other until the server is gone. */
async function unary(client: Client, journal: Journal): Promise<void> {
  for (;;) {
    const value = journal.next();
    const { offset } = await client.produce({ value: Buffer.from(value) });
    journal.note(offset, value);
  }
}

async function http(address: string, journal: Journal): Promise<void> {
  for (;;) {
    const value = journal.next();
    const record = { value: Buffer.from(value).toString("base64") };
    const response = await fetch(`http://${address}/`, {
      method: "POST",
      body: JSON.stringify({ record }),
    });
    const { offset } = (await response.json()) as { offset: number };
    assert.equal(response.status, 200);
    journal.note(offset, value);
  }
}

async function batches(client: Client, journal: Journal): Promise<void> {
  const producer = client.producer({ idempotent: true });
  try {
    for (;;) {
      const round: Promise<void>[] = [];
      for (let i = 0; i < 50; i++) {
        const value = journal.next();
        const sent = await producer.send({ value: Buffer.from(value) });
        round.push(sent.ack.then(({ offset }) => journal.note(offset, value)));
      }
      await Promise.all(round);
    }
  } finally {
    await producer.close().catch(() => undefined);
  }
}

/** Every acknowledged record is there, offsets are dense, and nothing is there twice. */
async function check(address: string, journal: Journal): Promise<void> {
  const client = connect(address);
  try {
    const decoder = new TextDecoder();
    const from = journal.read.length;
    for await (const record of client.records({ from, follow: false })) {
      assert.equal(record.offset, journal.read.length, "offsets are dense");
      journal.read.push(decoder.decode(record.value ?? undefined));
    }
  } finally {
    await client.close();
  }
  for (const [offset, value] of journal.acknowledged) {
    assert.equal(journal.read[offset], value, `offset ${offset} was acknowledged`);
  }
  assert.equal(new Set(journal.read).size, journal.read.length, "no record is there twice");
}

test(`${CYCLES} times kill -9 under load: nothing acknowledged is lost`, async (t) => {
  const dataDir = join(makeFolder(t), "data");
  const journal = new Journal();
  const random = seededRandom(11);
  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    const server = await start(t, dataDir);
    if (cycle % CHECK_EVERY === 0) await check(server.grpc, journal);
    const client = connect(server.grpc, { timeoutMs: 2_000 });
    const writers = [
      ...Array.from({ length: 8 }, () => unary(client, journal)),
      http(server.http as string, journal),
      batches(client, journal),
    ];
    const ended = Promise.allSettled(writers);
    await new Promise((resolve) => setTimeout(resolve, 20 + below(random, 200)));
    await server.end("SIGKILL");
    await client.close();
    for (const result of await ended) {
      const why: unknown = result.status === "rejected" ? result.reason : undefined;
      assert.ok(!(why instanceof assert.AssertionError), String(why));
    }
  }
  // From the beginning once more: what was right before may not have changed since.
  journal.read.length = 0;
  const server = await start(t, dataDir);
  await check(server.grpc, journal);
  assert.equal(await server.end("SIGTERM"), 0);
  t.diagnostic(
    `${CYCLES} cycles, ${journal.acknowledged.size} acknowledged, ${journal.read.length} read, 0 lost`,
  );
  assert.ok(journal.acknowledged.size > CYCLES, "the cycles acknowledged something");
});
