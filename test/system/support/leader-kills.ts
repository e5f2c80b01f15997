import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { below, seededRandom } from "../../../src/base/index.ts";
import { root } from "../../support/root.ts";
import { Acks } from "./acks.ts";
import { ClusterProcesses } from "./cluster.ts";
import { clusterWriter, grpcClusterWriter, httpClusterWriter } from "./cluster-writers.ts";
import { Journal } from "./journal.ts";

const MAIN = join(root, "dist", "cli", "main.js");
const WRITERS = [clusterWriter, grpcClusterWriter, grpcClusterWriter, httpClusterWriter] as const;

export interface LeaderKills {
  readonly acknowledged: number;
  readonly unanswered: number;
  readonly refused: number;
  /**
   * Between the last acknowledgement before a kill and the first after it, ascending: to our own client,
   * which finds who leads, and to anybody.
   */
  readonly gapsMs: readonly number[];
  readonly gapsOfAllMs: readonly number[];
}

/**
 * `kill -9` of whoever leads, again and again, under writers that know all addresses. In the end every
 * server has every acknowledged record where it was promised, and the files of all say the same.
 */
export async function killLeaders(
  folder: string,
  kills: number,
  seed: number,
): Promise<LeaderKills> {
  const random = seededRandom(seed);
  const journal = new Journal();
  const [own, all] = [new Acks(), new Acks()];
  const gaps: { ownMs: number; allMs: number }[] = [];
  await using cluster = await ClusterProcesses.start({ folder });
  const { addresses } = cluster;
  const over = new AbortController();
  const { signal } = over;
  const writing = WRITERS.map((write, i) => {
    const onAck = (): void => {
      all.take();
      if (write === clusterWriter) own.take();
    };
    return write({ addresses, journal, signal, name: `w${i}`, onAck });
  });
  try {
    for (let kill = 0; kill < kills; kill++) {
      await own.more(1);
      await sleep(below(random, 200));
      const leader = await cluster.leader();
      await cluster.end(leader, "SIGKILL");
      const [ownBefore, allBefore] = [own.lastMs, all.lastMs];
      const [ownAfter, allAfter] = await Promise.all([own.more(1), all.more(1)]);
      gaps.push({ ownMs: ownAfter - ownBefore, allMs: allAfter - allBefore });
      await cluster.run(leader);
    }
  } finally {
    over.abort();
    await Promise.all(writing);
  }
  await endAsPromised(cluster, journal);
  const { acknowledged, unanswered, refused } = journal;
  const gapsMs = gaps.map(({ ownMs }) => ownMs).sort((a, b) => a - b);
  const gapsOfAllMs = gaps.map(({ allMs }) => allMs).sort((a, b) => a - b);
  return { acknowledged, unanswered, refused, gapsMs, gapsOfAllMs };
}

/** Every server comes to hold what was acknowledged, where it was promised; then all end alike. */
export async function endAsPromised(cluster: ClusterProcesses, journal: Journal): Promise<void> {
  await cluster.untilEven();
  for (const at of cluster.addresses.keys()) {
    await using client = cluster.only(at);
    await journal.compare(client, "all");
  }
  await endAlike(cluster);
}

/** Ends every server in order; then their files hold the same entries, each byte of them. */
export async function endAlike(cluster: ClusterProcesses): Promise<void> {
  const places = [...Array(cluster.count).keys()];
  for (const at of places) assert.equal(await cluster.end(at, "SIGTERM"), 0);
  const logs = places.map((at) => dump(cluster.dataDir(at)));
  // Who ended first has not what the others still had to say about who leads.
  const common = Math.min(...logs.map(({ length }) => length));
  const digests = logs.map((lines) => digest(lines.slice(0, common)));
  assert.equal(new Set(digests).size, 1, "the files of the servers differ");
}

function dump(dataDir: string): string[] {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [MAIN, "log", "dump", "--records", dataDir],
    { encoding: "utf8", maxBuffer: 1 << 30 },
  );
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split("\n");
}

function digest(lines: readonly string[]): string {
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}
