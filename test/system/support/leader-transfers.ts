import { setTimeout as sleep } from "node:timers/promises";
import { below, seededRandom } from "../../../src/base/index.ts";
import { ClusterClient } from "../../../src/client/index.ts";
import { Acks } from "./acks.ts";
import { ClusterProcesses } from "./cluster.ts";
import { clusterWriter } from "./cluster-writers.ts";
import { Journal } from "./journal.ts";
import { endAsPromised } from "./leader-kills.ts";

const WRITERS = 3;
/** After leadership has moved, so many of each writer still belong to it. */
const ACKS_AFTER = 20;
/** A server that was started again has come to rest. */
const SETTLE_MS = 500;

export interface LeaderTransfers {
  readonly acknowledged: number;
  /** Calls of which nobody knows what became of them: a planned end should make none. */
  readonly unanswered: number;
  readonly refused: number;
  /** Of each writer and each transfer, the longest time without an acknowledgement, ascending. */
  readonly byCommandMs: readonly number[];
  readonly bySignalMs: readonly number[];
}

/**
 * Leadership moves as it was planned, again and again, under clients that know all servers: by the
 * operator's command, and because the leader is told to end, in turn.
 */
export async function transferLeaders(
  folder: string,
  transfers: number,
  seed: number,
): Promise<LeaderTransfers> {
  const random = seededRandom(seed);
  const journal = new Journal();
  const byCommandMs: number[] = [];
  const bySignalMs: number[] = [];
  await using cluster = await ClusterProcesses.start({ folder });
  const { addresses } = cluster;
  await using operator = new ClusterClient(addresses.join(","));
  const over = new AbortController();
  const { signal } = over;
  const acks = Array.from({ length: WRITERS }, () => new Acks());
  const writing = acks.map(({ take }, i) =>
    clusterWriter({ addresses, journal, signal, name: `w${i}`, onAck: take }),
  );
  /** Of each writer, the longest wait that has to do with `move`. */
  const gaps = async (move: () => Promise<unknown>): Promise<number[]> => {
    await Promise.all(acks.map((one) => one.more(ACKS_AFTER)));
    await sleep(below(random, 200));
    for (const one of acks) one.restart();
    await move();
    await Promise.all(acks.map((one) => one.more(ACKS_AFTER)));
    return acks.map(({ longestMs }) => longestMs);
  };
  try {
    for (let n = 0; n < transfers; n++) {
      if (n % 2 === 0) {
        byCommandMs.push(...(await gaps(() => operator.ask("TransferLeadership", { to: "" }))));
        continue;
      }
      const leader = await cluster.leader();
      bySignalMs.push(...(await gaps(() => cluster.end(leader, "SIGTERM"))));
      await cluster.run(leader);
      await sleep(SETTLE_MS);
    }
  } finally {
    over.abort();
    await Promise.all(writing);
  }
  await endAsPromised(cluster, journal);
  const { acknowledged, unanswered, refused } = journal;
  for (const list of [byCommandMs, bySignalMs]) list.sort((a, b) => a - b);
  return { acknowledged, unanswered, refused, byCommandMs, bySignalMs };
}
