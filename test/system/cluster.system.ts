/** What operators and disks do to three real servers, one after another, on one log. */
import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { ClusterProcesses } from "./support/cluster.ts";
import { Journal } from "./support/journal.ts";
import { endAlike } from "./support/leader-kills.ts";

/** Small segments, so that there are sealed ones to damage. */
const FLAGS = ["--segment-bytes", "64KiB"];
const PLACES = [0, 1, 2] as const;

test("three servers: stopped one by one, moved, emptied, damaged", async (t) => {
  const folder = makeFolder(t);
  await using cluster = await ClusterProcesses.start({ folder, flags: FLAGS });
  const journal = new Journal();
  // Knows all addresses, and tries again what certainly was not appended, and nothing else.
  let client = connect(cluster.addresses.join(","));
  t.after(() => client.close());
  let next = 0;

  const append = async (count: number): Promise<void> => {
    for (const last = next + count; next < last; next++) {
      const value = `${next}:${"v".repeat(next % 1_000)}`;
      const { offset } = await client.produce({ value: Buffer.from(value) });
      journal.promise(offset, value);
    }
  };
  const compareAll = async (): Promise<void> => {
    await cluster.untilEven();
    for (const at of PLACES) {
      await using client = cluster.only(at);
      await journal.compare(client, "all");
    }
  };

  await append(300);

  await t.test("each is stopped in order and started again, under load", async () => {
    for (const at of [await cluster.leader(), ...PLACES]) {
      const writing = append(100);
      assert.equal(await cluster.end(at, "SIGTERM"), 0);
      await cluster.run(at);
      await writing;
    }
    await compareAll();
  });

  await t.test("all are killed, and come back at other addresses", async (t) => {
    await Promise.all(PLACES.map((at) => cluster.end(at, "SIGKILL")));
    await cluster.move();
    await client.close();
    client = connect(cluster.addresses.join(","));
    const beginning = performance.now();
    await Promise.all(PLACES.map((at) => cluster.run(at)));
    await cluster.leader();
    t.diagnostic(`a leader ${(performance.now() - beginning).toFixed(0)} ms after the first start`);
    await append(10);
    await compareAll();
  });

  await t.test("one whose disk was emptied is replaced", async () => {
    const at = await aFollower(cluster);
    await cluster.end(at, "SIGKILL");
    cluster.wipe(at);
    await cluster.run(at);
    await append(10);
    await cluster.untilVoters(3);
    await compareAll();
  });

  for (const whose of ["a follower", "the leader"] as const) {
    await t.test(
      `one bit of ${whose}'s disk turns over: it is mended from the others`,
      async () => {
        const at = whose === "the leader" ? await cluster.leader() : await aFollower(cluster);
        assert.equal(await cluster.end(at, "SIGTERM"), 0);
        turnBit(firstSegment(cluster.dataDir(at)));
        await cluster.run(at);
        await append(10);
        await compareAll();
      },
    );
  }

  await t.test("what was cut off a disk is given back", async () => {
    const at = await aFollower(cluster);
    await cluster.end(at, "SIGKILL");
    const file = lastSegment(cluster.dataDir(at));
    truncateSync(file, statSync(file).size >> 1);
    await cluster.run(at);
    await append(10);
    await compareAll();
  });

  await endAlike(cluster);
});

async function aFollower(cluster: ClusterProcesses): Promise<number> {
  return ((await cluster.leader()) + 1) % cluster.count;
}

function segments(dataDir: string): string[] {
  const folder = join(dataDir, "logs", "default");
  const names = readdirSync(folder).filter((name) => name.endsWith(".log"));
  return names.toSorted().map((name) => join(folder, name));
}

const firstSegment = (dataDir: string): string => segments(dataDir)[0] ?? "";
const lastSegment = (dataDir: string): string => segments(dataDir).at(-1) ?? "";

/** In the middle of the file, which is sealed and was read by nobody who could tell. */
function turnBit(path: string): void {
  const position = statSync(path).size >> 1;
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, position);
    byte[0] = (byte[0] ?? 0) ^ 1;
    writeSync(file, byte, 0, 1, position);
  } finally {
    closeSync(file);
  }
}
