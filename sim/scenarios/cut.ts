import type { Log } from "../../src/log/index.ts";
import type { Violation } from "../checkers/index.ts";
import type { FaultDisk } from "../disk/index.ts";
import { ENTRIES, filledLog, noopOf, open } from "./engine.ts";

/** Two segments and a part of a third go. */
const FROM = 15;
const ADDED = 4;

/**
 * B15, B16: the end of a log of several segments is cut off and other entries take its place; the power
 * goes at every call of that. The log opens undamaged, with all of the old end or none, and what was
 * said to be gone never comes back, in front of new entries or behind them.
 */
export async function cutAndPower(): Promise<readonly Violation[]> {
  const { disk: before } = await filledLog();
  for (const keep of ["none", "all"] as const) {
    for (let calls = 0; ; calls++) {
      const disk = before.clone();
      const log = await open(disk);
      disk.stopAfter(disk.callCount + calls);
      const said = { isCut: false, added: 0 };
      const done = replaceEnd(log, said).then(() => true);
      const isDone = await Promise.race([done, disk.stopped.then(() => false)]);
      const when = `power, keeping ${keep}, after ${calls} calls of a cut`;
      const violations = await check(disk.crash({ keep }), said, when);
      if (violations.length > 0) return violations;
      if (isDone) break;
    }
  }
  return [];
}

async function replaceEnd(log: Log, said: { isCut: boolean; added: number }): Promise<void> {
  await log.truncateBack(FROM);
  said.isCut = true;
  for (let i = 0; i < ADDED; i++) {
    log.append(noopOf(FROM + i, 2));
    await log.sync();
    said.added += 1;
  }
}

async function check(
  disk: FaultDisk,
  { isCut, added }: { readonly isCut: boolean; readonly added: number },
  when: string,
): Promise<Violation[]> {
  const violations: Violation[] = [];
  const report = (rule: string, message: string): void => {
    violations.push({ rule, message: `${when}: ${message}` });
  };
  try {
    const log = await open(disk);
    if (log.damage.length > 0) report("I10", "the log takes itself for damaged");
    const { lastIndex } = log;
    const terms: number[] = [];
    for (let index = 1; index <= lastIndex; index++) terms.push((await log.termAt(index)) ?? 0);
    const kept = terms.slice(0, FROM - 1);
    if (kept.length < FROM - 1 || kept.some((term) => term !== 1))
      report("I7", "the front is gone");
    const end = terms.slice(FROM - 1);
    if (end.includes(2) && end.includes(1)) report("I12", "old entries beside new ones");
    if (isCut && end.includes(1)) report("I12", "what was cut off has come back");
    if (end.filter((term) => term === 2).length < added) report("I7", "new entries are gone");
    if (lastIndex > ENTRIES) report("I12", `it ends at ${lastIndex}`);
  } catch (error) {
    report("I7", `it does not open: ${String(error)}`);
  }
  return violations;
}
