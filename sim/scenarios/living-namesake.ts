import { ProglogError } from "../../src/base/index.ts";
import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/** Longer than a replica must be silent to be replaced. */
const LONG_MS = 15_000;

/**
 * A14, D14: followers do not speak to each other. One of them is elected, and asked at once to let in
 * another replica under the name of one that lives and has had no reason yet to speak to it; later it is
 * held up for long, and asked again before it has read what came meanwhile. Both times the name is taken.
 */
export async function livingNamesake(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  await lab.run(LONG_MS);
  const [next, other] = lab.cluster.machines
    .map((number) => lab.machine(number))
    .filter((machine) => machine !== old);
  if (next === undefined || other === undefined) throw new Error("there are three");
  // The two that elect the next one are quicker than the third.
  lab.cluster.isLost = ({ from, to }) => from === other.replicaId && to === next.replicaId;
  old.replica?.transferLeadership(next.replicaId);
  await lab.until("another one leads", () => next.replica?.isLeading === true);
  const letIn = (replicaId: number): Promise<string> => {
    const { replica } = next;
    if (replica === undefined) return Promise.resolve("gone");
    return replica.members.addLearner({ replicaId, name: other.name }).then(
      () => "let in",
      (error: unknown) => ProglogError.from(error).code,
    );
  };
  const atOnce = await lab.answer(letIn(98));
  lab.expect("A14", atOnce === "CONFIGURATION", `just elected: ${atOnce ?? "no answer"}`);
  lab.cluster.isLost = undefined;
  await lab.run(1_000);
  // All stand still, as the machines of one laptop do. What was said meanwhile is read after the timers.
  lab.cluster.isLost = ({ to }) => to === next.replicaId;
  for (const number of lab.cluster.machines) lab.cluster.pause(number, LONG_MS);
  await lab.run(LONG_MS + 50);
  const heldUp = await lab.answer(letIn(99));
  lab.expect("A14", heldUp === "CONFIGURATION", `held up: ${heldUp ?? "no answer"}`);
  lab.cluster.isLost = undefined;
  await lab.append(1);
  const { learners } = (await lab.leader()).replica?.status.configuration ?? { learners: [] };
  lab.expect("A14", learners.length === 0, `${learners.length} replicas of a taken name`);
  return lab.violations;
}
