import type { Holding, Sequenced } from "../checkers/index.ts";
import type { Recorder } from "../workload/recorder.ts";

/** Where the records of producers stand, by what the replicas hold and what was acknowledged. */
export function sequencesIn(recorder: Recorder, holdings: readonly Holding[]): Sequenced[] {
  const known = new Map(recorder.acknowledged);
  for (const { from, values } of holdings) values.forEach((value, i) => known.set(from + i, value));
  for (const operation of recorder.operations) {
    if (operation.kind === "read" && operation.value !== undefined) {
      known.set(operation.offset, operation.value);
    }
  }
  return [...known].flatMap(([offset, value]) => {
    const [producer, sequence] = value.split("#");
    if (producer === undefined || sequence === undefined) return [];
    return [{ producer, sequence: Number(sequence), offset }];
  });
}
