import { checkDrain, checkHistory } from "../../sim/checkers/index.ts";
import type { Violation } from "../../sim/checkers/index.ts";
import type { Drained } from "./drain.ts";
import type { History } from "./load/history.ts";

/** Whether what clients were told, and what all servers hold in the end, can be one log. */
export function judge(history: History, drained: Drained | undefined): Violation[] {
  const violations = [...history.violations, ...checkHistory(history.operations())];
  violations.push(...checkTerms(history.terms), ...checkProducers(history));
  if (drained === undefined) return violations;
  const { holdings, next, lowest } = drained;
  violations.push(...checkDrain(holdings, next, history.acknowledged));
  if (lowest > history.deletedTo) {
    const message = `the log begins at ${lowest}; below ${history.deletedTo} it was let go of`;
    violations.push({ rule: "D3", message });
  }
  return violations;
}

/** T1: what was acknowledged further on comes from the same leadership or a later one. */
function checkTerms(terms: ReadonlyMap<number, number>): Violation[] {
  let highest = 0;
  let highestAt = 0;
  for (const [offset, term] of [...terms].sort(([a], [b]) => a - b)) {
    if (term < highest) {
      const message = `offset ${offset} is of term ${term}, offset ${highestAt} of ${highest}`;
      return [{ rule: "T1", message }];
    }
    highest = term;
    highestAt = offset;
  }
  return [];
}

/**
 * I2: what a producer sent stands in the order it was sent in, and whatever was acknowledged has all
 * before it in the log; what was let go of and seen by nobody says nothing.
 */
function checkProducers(history: History): Violation[] {
  const violations: Violation[] = [];
  const known = history.known();
  const last = new Map<string, { readonly n: number; readonly offset: number }>();
  const missing = new Map<string, number>();
  for (const [offset, name] of [...known].sort(([a], [b]) => a - b)) {
    const slash = name.lastIndexOf("/");
    const producer = name.slice(0, slash);
    if (!producer.startsWith("idempotent")) continue;
    const n = Number(name.slice(slash + 1));
    const before = last.get(producer);
    if (before !== undefined && n <= before.n) {
      const message = `${name} at ${offset} stands behind number ${before.n} at ${before.offset}`;
      violations.push({ rule: "I2", message });
    }
    const gap = n - (before?.n ?? -1) - 1;
    if (gap > 0) missing.set(producer, (missing.get(producer) ?? 0) + gap);
    last.set(producer, { n, offset });
  }
  const unseen = history.next - known.size;
  const total = [...missing.values()].reduce((sum, gap) => sum + gap, 0);
  if (total > unseen) {
    const message = `producers lack ${total} records in front of others, and ${unseen} were not seen`;
    violations.push({ rule: "I2", message });
  }
  return violations;
}
