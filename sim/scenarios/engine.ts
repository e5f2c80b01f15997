import { seededRandom, soleVoter } from "../../src/base/index.ts";
import { ENTRY_TYPE, type Entry, Log } from "../../src/log/index.ts";
import type { Violation } from "../checkers/index.ts";
import { FaultDisk } from "../disk/index.ts";
import { World } from "../world/index.ts";

export const DIRECTORY = "/log";
export const ENTRIES = 60;

/**
 * B15, E1, E2, E11: the power goes at every call of an installation of a marker; the log opens, and is
 * the old one or the new one.
 */
export async function markerInstallation(): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  const { disk: before } = await filledLog();
  for (let calls = 0; ; calls++) {
    const disk = before.clone();
    const log = await open(disk);
    const marker = await log.prefixMarker();
    if (marker === undefined) throw new Error("the log has a marker");
    const index = ENTRIES + 100;
    const target = { ...marker, firstIndex: index, previousTerm: 1, nextOffset: 0 };
    disk.stopAfter(disk.callCount + calls);
    const done = log.reset(target).then(() => true);
    const isDone = await Promise.race([done, disk.stopped.then(() => false)]);
    await check(disk.crash({ keep: "none" }), index, calls, violations);
    if (isDone || violations.length > 0) return violations;
  }
}

async function check(
  disk: FaultDisk,
  index: number,
  calls: number,
  violations: Violation[],
): Promise<void> {
  const when = `after ${calls} calls of an installation`;
  try {
    const { lastIndex, damage } = await open(disk);
    const isWhole = (lastIndex === ENTRIES || lastIndex === index - 1) && damage.length === 0;
    if (isWhole) return;
    const message = `${when} the log ends at ${lastIndex}, ${damage.length} ranges damaged`;
    violations.push({ rule: "I7", message });
  } catch (error) {
    violations.push({ rule: "I7", message: `${when} the log does not open: ${String(error)}` });
  }
}

/** A15: the file of a log that was durable is cut short; that is damage, and nothing is forgotten. */
export async function shortLog(): Promise<readonly Violation[]> {
  const { disk, last } = await filledLog();
  const next = disk.kill("all");
  next.medium.resize(last, 200);
  const { lastIndex, damage } = await open(next);
  if (damage.length > 0) return [];
  return [{ rule: "I10", message: `the log ends at ${lastIndex} as if nothing had been there` }];
}

/** Entries that are durable, and said to be so outside the bytes they are in. */
export async function filledLog(): Promise<{ readonly disk: FaultDisk; readonly last: string }> {
  const world = new World(1);
  const disk = new FaultDisk({ random: seededRandom(1) });
  const log = await open(disk, world);
  for (let index = 1; index <= ENTRIES; index++) {
    log.append(noopOf(index, 1));
    await log.sync();
  }
  // The idle fence, and with it the mark.
  while (world.step(2_000)) await new Promise((resolve) => void setImmediate(resolve));
  const names = disk.medium.names(DIRECTORY).filter((name) => name.endsWith(".log"));
  return { disk, last: `${DIRECTORY}/${names.at(-1) ?? ""}` };
}

export function noopOf(index: number, term: number): Entry {
  const payload = new Uint8Array(0);
  const place = { index, term, baseOffset: 0, appendedAt: 1, recordCount: 0 };
  return { ...place, type: ENTRY_TYPE.noop, payload };
}

export async function open(disk: FaultDisk, world: World = new World(2)): Promise<Log> {
  await disk.makeDirectory(DIRECTORY);
  await disk.syncDirectory("/");
  return Log.open({
    directory: DIRECTORY,
    disk,
    clock: world.clock(),
    random: seededRandom(3),
    initial: { configuration: soleVoter({ replicaId: 1, name: "one" }), vote: 0 },
    segmentBytesMax: 2_048,
    freeBytesMin: 0,
    scrubBytesPerSecond: 0,
  });
}
