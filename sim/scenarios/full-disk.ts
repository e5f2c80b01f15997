import type { Violation } from "../checkers/index.ts";
import { filledLog, noopOf, open } from "./engine.ts";

/**
 * A13: the disk is full in the middle of a write. What did not fit is taken back and said not to be in
 * the log; the power goes, and it must not come back. Then there is room again, and writing goes on.
 */
export async function fullDisk(): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  const report = (rule: string, message: string): void => {
    violations.push({ rule, message });
  };
  const { disk: before } = await filledLog();
  // A part of the write is in the file, as it is where a page boundary lies within it.
  for (const keep of [0, 48, 64, 200]) {
    const disk = before.clone();
    const log = await open(disk);
    const { lastIndex } = log;
    disk.inject({ kind: "write", path: ".log" }, { error: "ENOSPC", keep });
    for (let i = 1; i <= 3; i++) log.append(noopOf(lastIndex + i, 2));
    disk.onCall = ({ kind }) => {
      // What was written of it reaches the disk before it is taken back.
      if (kind === "truncate") disk.medium.writeBack();
    };
    const refusal = await log.sync().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal === undefined) report("I7", "a write that did not fit was acknowledged");
    if (log.lastIndex !== lastIndex) report("I10", `the log still ends at ${log.lastIndex}`);
    disk.onCall = undefined;
    const reopened = await open(disk.clone().crash({ keep: "none" }));
    const back = reopened.lastIndex - lastIndex;
    if (back !== 0) report("I12", `${back} entries came back that were said not to be there`);
    if (reopened.damage.length > 0) report("I10", "the log takes itself for damaged");
    log.append(noopOf(lastIndex + 1, 3));
    await log.sync();
    const after = await open(disk.crash({ keep: "none" }));
    const term = await after.termAt(lastIndex + 1);
    if (after.lastIndex !== lastIndex + 1 || term !== 3) report("I7", "what fitted later is gone");
  }
  return violations;
}
