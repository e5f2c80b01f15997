import { limits, ProglogError, systemClock } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { recoverAlone } from "../replica/index.ts";
import { openDataLog } from "./data-log.ts";

/** What became of a directory. */
export interface RecoveredLog {
  readonly name: string;
  readonly clusterId: string;
  /** Who took part before. */
  readonly before: readonly string[];
  readonly lowest: number;
  readonly next: number;
  readonly damagedRecords: number;
}

/**
 * Makes the server of a stopped directory the only voter of a new cluster with its records, and lets a
 * directory go on that was refused as damaged. What others acknowledged and it lacks is lost. Throws
 * `LOCKED` while a server has it, `CONFIGURATION` when there is no log, and what opening it throws.
 */
export async function recoverDataLog(dataDir: string, observer?: Observer): Promise<RecoveredLog> {
  const settings = { dataDir, nodeName: "", clusterName: "", fsync: "always" } as const;
  const sizes = { segmentBytes: limits.segmentBytesMax, scrubBytesPerSecond: 0 };
  // As one that has others: then what is lost is damage, and no reason to refuse.
  const options = { mustExist: true, hasOthers: true, observer };
  await using data = await openDataLog({ ...settings, ...sizes }, options);
  const { directory, log } = data;
  const { name, replicaId } = directory.meta;
  if (directory.meta.clusterId === "") {
    const text = `${dataDir} belongs to no cluster yet: start it with --bootstrap instead`;
    throw new ProglogError("CONFIGURATION", text);
  }
  const clusterId = await directory.leaveCluster();
  const { before } = await recoverAlone(log, { name, replicaId }, systemClock.now());
  const damagedRecords = log.damage.reduce(
    (sum, range) => sum + range.toOffset - range.fromOffset,
    0,
  );
  return {
    ...{ name, clusterId, damagedRecords },
    before: before.map((member) => member.name).toSorted(),
    lowest: log.lowestOffset,
    next: log.nextOffset,
  };
}
