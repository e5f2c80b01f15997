import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/**
 * G6, I12: a deletion within a segment, then one that is older, and then a retention that reaches only
 * the end of the segment before. None of them, and no restart, brings back what was deleted.
 */
export async function deletions(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  await lab.leader();
  await lab.append(60);
  const before = 53;
  for (const offset of [before, 30]) {
    lab.cluster.logStart.ordered(offset);
    const { replica } = await lab.leader();
    await lab.answer(replica?.deleteBefore(offset) ?? Promise.resolve());
  }
  await restartAll(lab);
  settle(lab, before);
  const { replica } = await lab.leader();
  const keepMuch = { retentionBytes: 6_000, retentionMs: 0 };
  await lab.answer(replica?.setRetention(keepMuch) ?? Promise.resolve());
  await lab.run(70_000);
  await restartAll(lab);
  settle(lab, before);
  return lab.violations;
}

/**
 * D3: a leader that is cut off has a deletion in its log, and starts again. Until somebody says that it
 * is committed, everything is there to be read.
 */
export async function uncommittedDeletion(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  await lab.append(20);
  for (const number of lab.cluster.machines) {
    if (number === old.number) continue;
    lab.cluster.block(old.number, number);
    lab.cluster.block(number, old.number);
  }
  lab.cluster.logStart.ordered(15);
  old.replica?.deleteBefore(15).catch(() => undefined);
  await lab.run(200);
  lab.cluster.crash(old.number, "kill");
  lab.cluster.restart(old.number);
  await lab.until("it runs again", () => old.replica !== undefined);
  const start = old.replica?.lowestOffset ?? 0;
  if (start > 0) {
    const message = `it begins at ${start} by a deletion that nobody has committed`;
    lab.violations.push({ rule: "D3", message });
  }
  return lab.violations;
}

async function restartAll(lab: ReplicaLab): Promise<void> {
  for (const number of lab.cluster.machines) lab.cluster.crash(number, "kill");
  for (const number of lab.cluster.machines) lab.cluster.restart(number);
  await lab.append(1);
  await lab.run(1_000);
}

function settle(lab: ReplicaLab, before: number): void {
  for (const number of lab.cluster.machines) {
    const { lowestOffset } = lab.replica(number);
    if (lowestOffset >= before) continue;
    const message = `${number} begins at ${lowestOffset}, and everything below ${before} was deleted`;
    lab.violations.push({ rule: "I12", message });
  }
}
