import { below, chance, type Random } from "../../../src/base/index.ts";
import type { Operation, TailRead } from "../history.ts";

/** Whether a value is appended with a producer's stamp: `mixed` has both, and a value is always the same. */
export type HistoryMode = "attempts" | "idempotent" | "mixed";

/** A history that a real log could have: each operation acts at one moment between call and answer. */
export function goodHistory(random: Random, count: number, mode: HistoryMode): Operation[] {
  const plans = Array.from({ length: count }, (_, i) => planOf(random, i, count));
  const log: string[] = [];
  const done = new Map<number, Operation>();
  for (const plan of plans.toSorted((a, b) => a.actsAt - b.actsAt)) {
    done.set(plan.number, act(random, plan, log, mode));
  }
  return distinctTimes(plans.map(({ number }) => done.get(number) as Operation));
}

interface Plan {
  readonly number: number;
  readonly invokedAt: number;
  readonly actsAt: number;
  readonly returnedAt: number;
}

function planOf(random: Random, number: number, count: number): Plan {
  const invokedAt = below(random, 1_000 * count);
  const actsAt = invokedAt + 1 + below(random, chance(random, 0.3) ? 5_000 : 800);
  return { number, invokedAt, actsAt, returnedAt: actsAt + 1 + below(random, 800) };
}

function act(random: Random, plan: Plan, log: string[], mode: HistoryMode): Operation {
  const { invokedAt, returnedAt, number } = plan;
  const draw = below(random, 10);
  const linearizable = chance(random, 0.6);
  if (draw < 2) {
    const stale = log.length - (linearizable ? 0 : below(random, log.length + 1));
    return { kind: "tail", next: stale, invokedAt, returnedAt, linearizable };
  }
  if (draw < 5) {
    const offset = below(random, log.length + 2);
    return { kind: "read", offset, value: log[offset], invokedAt, returnedAt, linearizable };
  }
  // Few values, so that there are retries.
  const value = `v${chance(random, 0.4) ? below(random, 3) : number}`;
  const outcome = (["ok", "ok", "ok", "info", "fail"] as const)[below(random, 5)] ?? "ok";
  const idempotent = mode === "mixed" ? /[02468]$/.test(value) : mode === "idempotent";
  const attempt = { kind: "append", value, invokedAt, outcome, idempotent } as const;
  if (outcome === "fail") return { ...attempt, returnedAt };
  if (outcome === "info" && chance(random, 0.5)) return { ...attempt, returnedAt: Infinity };
  let offset = idempotent ? log.indexOf(value) : -1;
  if (offset < 0) offset = log.push(value) - 1;
  return outcome === "ok"
    ? { ...attempt, returnedAt, offset }
    : { ...attempt, returnedAt: Infinity };
}

/** The same order of moments, as places in it. */
function distinctTimes(operations: readonly Operation[]): Operation[] {
  const moments = operations.flatMap((operation, number) => [
    { number, at: operation.invokedAt, key: "invokedAt" as const },
    { number, at: operation.returnedAt, key: "returnedAt" as const },
  ]);
  const placed = operations.map((operation) => ({ ...operation }));
  moments
    .filter(({ at }) => at !== Infinity)
    .sort((a, b) => a.at - b.at || (a.key === "invokedAt" ? -1 : 1))
    .forEach(({ number, key }, place) => ((placed[number] as Operation & Moments)[key] = place));
  return placed;
}

interface Moments {
  invokedAt: number;
  returnedAt: number;
}

/** One fact changed: most of the time to something that no log could have done. */
export function mutate(random: Random, operations: readonly Operation[]): Operation[] {
  const changed = operations.map((operation) => ({ ...operation }));
  const i = below(random, changed.length);
  const one = changed[i] as Operation;
  const other = changed[below(random, changed.length)] as Operation;
  switch (below(random, 5)) {
    case 0:
      changed[i] = elsewhere(random, one);
      break;
    case 1:
      if (one.kind !== "tail" && other.kind !== "tail") {
        changed[i] = renamed(one, other.value ?? "v0", operations);
      }
      break;
    case 2:
      if (one.returnedAt !== Infinity) return shiftTime(random, changed, i);
      break;
    case 3:
      if (one.kind === "append") changed[i] = { ...one, outcome: "fail" };
      else changed[i] = { ...one, linearizable: !one.linearizable };
      break;
    default:
      return changed.filter((_, at) => at !== i);
  }
  return changed;
}

/** With another value comes what is known of its producer. */
function renamed(
  one: Exclude<Operation, TailRead>,
  value: string,
  operations: readonly Operation[],
): Operation {
  if (one.kind === "read") return { ...one, value };
  const same = operations.find((other) => other.kind === "append" && other.value === value);
  const idempotent = same?.kind === "append" ? same.idempotent : one.idempotent;
  return { ...one, value, idempotent };
}

function elsewhere(random: Random, one: Operation): Operation {
  const by = chance(random, 0.5) ? 1 : -1;
  if (one.kind === "tail") return { ...one, next: Math.max(0, one.next + by) };
  if (one.kind === "append" && one.outcome !== "ok") return one;
  const offset = Math.max(0, (one.offset ?? 0) + by);
  return { ...one, offset };
}

/** Moves a whole operation in time, and makes all moments distinct again. */
function shiftTime(random: Random, operations: Operation[], i: number): Operation[] {
  const by = below(random, 2 * operations.length) - operations.length + 0.5;
  const one = operations[i] as Operation;
  const moved = { ...one, invokedAt: one.invokedAt + by, returnedAt: one.returnedAt + by };
  return distinctTimes(operations.map((operation, at) => (at === i ? moved : operation)));
}
