import { seededRandom, soleVoter } from "../../src/base/index.ts";
import { Raft, type Message } from "../../src/raft/index.ts";
import { Watch, type Violation } from "../checkers/index.ts";
import { SimulatedStorage } from "../core/storage.ts";
import { memberOf } from "./lab.ts";

/**
 * A1: a vote is decided, its task is on the way to the disk, and the power goes. What had left by then
 * counts; after the restart another candidate asks in the same term.
 */
export function voteThenCrash(): readonly Violation[] {
  const violations: Violation[] = [];
  const watch = new Watch(
    (rule, message) => violations.push({ rule, message }),
    () => undefined,
  );
  const voters = [1, 2, 3].map(memberOf);
  const storage = new SimulatedStorage({ ...soleVoter(memberOf(1)), voters });
  for (const candidate of [1, 2]) {
    const raft = new Raft({
      id: 3,
      storage,
      random: seededRandom(candidate),
      electionTimeoutTicks: 10,
      heartbeatTicks: 1,
      asynchronousStorage: true,
    });
    raft.step({
      kind: "requestVote",
      from: candidate,
      to: 3,
      term: 2,
      lastIndex: storage.lastIndex(),
      lastTerm: storage.term(storage.lastIndex()) ?? 0,
      transfer: false,
    });
    const ready = raft.ready();
    // These may leave at once. What must first be durable is in the task, and is lost with it.
    for (const message of ready.messages) noteVote(watch, message);
    if (candidate === 1) continue;
    for (const response of ready.storageAppend?.responses ?? []) {
      if (response.to !== 3) noteVote(watch, response as Message);
    }
  }
  return violations;
}

function noteVote(watch: Watch, message: Message): void {
  if (message.kind !== "requestVoteResponse" || message.rejected) return;
  watch.voted(message.from, message.term, message.to);
}
