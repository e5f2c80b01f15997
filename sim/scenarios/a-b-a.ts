import { seededRandom, soleVoter } from "../../src/base/index.ts";
import { Raft, type Entry, type Ready, type StorageResponse } from "../../src/raft/index.ts";
import { Watch, type EntryFacts, type Violation } from "../checkers/index.ts";
import { digestOf } from "../core/payload.ts";
import { SimulatedStorage } from "../core/storage.ts";
import { ENTRY_BYTES, memberOf } from "./lab.ts";

/**
 * B11, B12: an entry is on its way to a slow disk, is replaced by another, and comes back. The disk's
 * answer to the first says nothing of the third, while the second is still to be written in its place.
 */
export function aBA(): readonly Violation[] {
  const violations: Violation[] = [];
  const watch = new Watch(
    (rule, message) => violations.push({ rule, message }),
    () => undefined,
  );
  const voters = [1, 2, 3].map(memberOf);
  const storage = new SimulatedStorage({ ...soleVoter(memberOf(1)), voters });
  const raft = new Raft({
    id: 3,
    storage,
    random: seededRandom(1),
    electionTimeoutTicks: 10,
    heartbeatTicks: 1,
    asynchronousStorage: true,
  });
  const tasks: Ready["storageAppend"][] = [];
  const work = (): void => {
    while (raft.hasReady()) {
      const { storageAppend, storageApply } = raft.ready();
      if (storageAppend !== undefined) {
        storage.write(storageAppend);
        tasks.push(storageAppend);
      }
      for (const entry of storageApply?.entries ?? []) watch.applied(3, factsOf(entry), raft.term);
      release(raft, storageApply?.responses ?? []);
    }
  };
  const append = (from: number, term: number, entries: readonly Entry[], commit: number): void => {
    const place = { previousIndex: 1, previousTerm: 1, damageId: 0, repairIndex: 0 };
    raft.step({ kind: "appendEntries", from, to: 3, term, entries, commit, ...place });
    work();
  };
  /** One sync for so many tasks, and only then the core has its turn. */
  const diskAnswers = (count: number): void => {
    const done = tasks.splice(0, count).flatMap((task) => task ?? []);
    for (const task of done) storage.complete(task);
    for (const { responses } of done) release(raft, responses);
    work();
  };
  const a = entry(2, 2, "a");
  append(1, 2, [a], 1);
  append(2, 3, [entry(2, 3, "b")], 1);
  // The leader and another one have the first two: they are committed, and applied there.
  const c = entry(3, 4, "c");
  watch.applied(1, factsOf(a), 4);
  watch.applied(1, factsOf(c), 4);
  append(1, 4, [a, c], 3);
  diskAnswers(2);
  diskAnswers(1);
  if (raft.appliedIndex < 2) violations.push({ rule: "I11", message: "nothing was applied" });
  return violations;
}

function entry(index: number, term: number, value: string): Entry {
  const payload = { value, attempt: 0 };
  return { kind: "normal", index, term, payload, sizeBytes: ENTRY_BYTES };
}

function factsOf(of: Entry): EntryFacts {
  return { index: of.index, term: of.term, digest: digestOf(of) };
}

function release(raft: Raft, responses: readonly StorageResponse[]): void {
  for (const response of responses) if (response.to === raft.id) raft.stepLocal(response);
}
