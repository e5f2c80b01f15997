import { ProglogError } from "../../src/base/index.ts";
import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";
import { recordsIn } from "../replica/drain.ts";

/**
 * B24: an append was proposed in one term of its leader, which loses leadership and regains it. What is
 * said of the append is true of the log, and the log holds it at most once.
 */
export async function ledAgain(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  const others = lab.cluster.machines.filter((number) => number !== old.number);
  await lab.append(3);
  for (const number of others) {
    lab.cluster.block(old.number, number);
    lab.cluster.block(number, old.number);
  }
  const told: { offset?: number; isRefused?: boolean } = {};
  const value = new TextEncoder().encode("of the first term");
  old.replica?.append({ value }).then(
    ({ baseOffset }) => (told.offset = baseOffset),
    (error: unknown) => (told.isRefused = ProglogError.from(error).notAppended),
  );
  await lab.until("another one leads", () => lab.cluster.leader()?.number !== old.number);
  await lab.append(1);
  lab.cluster.healNetwork();
  await lab.until("all agree", () => lab.cluster.hasConverged());
  const { replica } = await lab.leader();
  replica?.transferLeadership(old.replicaId);
  await lab.until("it leads again", () => old.replica?.isLeading === true);
  await lab.append(2);
  await lab.until("something is said of it", () => Object.keys(told).length > 0, 60_000);
  const batches = (await lab.answer(old.replica?.read(0, 1 << 20) ?? Promise.resolve([]))) ?? [];
  const copies = recordsIn(batches, 0).filter((record) => record.value === "of the first term");
  lab.expect("B24", copies.length <= 1, `it is there ${copies.length} times`);
  if (told.isRefused === true)
    lab.expect("B24", copies.length === 0, "it was refused, and is there");
  const isTrue = told.offset === undefined || copies[0]?.offset === told.offset;
  lab.expect("B24", isTrue, `it was promised at ${told.offset ?? "?"}`);
  return lab.violations;
}
