import type { Lab } from "../lab.ts";
import type { Watch } from "../watch.ts";
import { waitUnless } from "../wait.ts";
import type { Fault } from "./stage.ts";

/** How a server ends that was removed. */
const REMOVED = 77;
const VOTER_PATIENCE_MS = 60_000;
const LEAVE_PATIENCE_MS = 20_000;
const END_PATIENCE_MS = 5_000;
/** Whoever leads has been asked anew by then. */
const SETTLE_MS = 500;

export const MEMBER_FAULTS: readonly Fault[] = [
  {
    kind: "member",
    lane: "disk",
    title: "one server more joins, votes, and is removed",
    async run(stage) {
      const { lab, watch } = stage;
      const spare = lab.place(lab.replicas);
      stage.target = spare.name;
      if (spare.server === undefined) lab.start(spare.at);
      await stage.until(() => watch.hasCaughtUp(spare.at, 0), VOTER_PATIENCE_MS);
      await stage.hold(500, 4_000);
      if (!stage.isOver) await retire(lab, watch, stage.signal);
      return true;
    },
  },
  {
    kind: "transfer",
    lane: "disk",
    title: "an operator lets another one lead",
    async run(stage) {
      const { name } = stage.pick() ?? { name: "" };
      stage.target = name;
      await using operator = stage.lab.operator();
      await operator.ask("TransferLeadership", { to: name }).catch(() => undefined);
      return name !== "";
    },
  },
];

/** Takes the spare server out of the cluster, and what it had away; as far as the signal leaves time. */
export async function retire(lab: Lab, watch: Watch, signal: AbortSignal): Promise<void> {
  const spare = lab.place(lab.replicas);
  spare.mayEnd = [REMOVED];
  await remove(lab, watch, spare.name, signal);
  const end = performance.now() + END_PATIENCE_MS;
  while (spare.server !== undefined && performance.now() < end) await waitUnless(100, signal);
  await lab.end(spare.at, "SIGKILL");
  // It may have been let in while it was being removed.
  await remove(lab, watch, spare.name, signal);
  lab.disks.wipe(spare.at);
  spare.mayEnd = [];
}

/** Asks until whoever leads does not count it among the members any more. */
async function remove(lab: Lab, watch: Watch, name: string, signal: AbortSignal): Promise<void> {
  const end = performance.now() + LEAVE_PATIENCE_MS;
  const isOut = (): boolean =>
    watch.leader() !== undefined && watch.members().every((member) => member.name !== name);
  while (!signal.aborted && performance.now() < end) {
    await using operator = lab.operator();
    await operator.ask("RemoveMember", { name, force: false }).catch(() => undefined);
    await waitUnless(SETTLE_MS, signal);
    if (isOut()) return;
  }
}
