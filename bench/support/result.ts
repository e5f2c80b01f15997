/** One line of the table, and one element of `rows` in the JSON. */
export interface RowResult {
  readonly row: string;
  /** What was measured; null when the row was skipped or failed. */
  readonly value: number | null;
  readonly unit: string;
  /** What the value is held against, in the same unit; null where the goal is a plain number. */
  readonly limit: number | null;
  /** value ÷ limit, the median of the pairs. */
  readonly ratio: number | null;
  readonly goal: string;
  /** Null when there is no goal, or nothing was measured. */
  readonly ok: boolean | null;
  /** How it was measured, as far as the row's name does not say it. */
  readonly note?: string;
  /** Why nothing was measured. */
  readonly skipped?: string;
  /** What went wrong; the run then ends with exit code 1. */
  readonly failed?: string;
}

export interface Goal {
  readonly is: ">=" | "<=" | "<";
  readonly bound: number;
}

function meets(value: number, goal: Goal): boolean {
  if (goal.is === ">=") return value >= goal.bound;
  return goal.is === "<=" ? value <= goal.bound : value < goal.bound;
}

type Named = Pick<RowResult, "row" | "unit" | "note">;

/** A value beside its limit: the goal speaks of their ratio. */
export function ratedAgainst(
  named: Named,
  measured: { readonly value: number; readonly limit: number; readonly ratio: number },
  goal: Goal,
): RowResult {
  const ok = meets(measured.ratio, goal);
  return { ...named, ...measured, goal: `${goal.is} ${goal.bound}x`, ok };
}

/** A value whose goal is a plain number of the same unit. */
export function rated(named: Named, value: number, goal: Goal): RowResult {
  const ok = meets(value, goal);
  const text = `${goal.is} ${goal.bound.toLocaleString("en-US")} ${named.unit}`;
  return { ...named, value, limit: null, ratio: null, goal: text, ok };
}

/** A figure that is told and has no goal. */
export function told(named: Named, value: number, limit: number | null = null): RowResult {
  const ratio = limit === null ? null : value / limit;
  return { ...named, value, limit, ratio, goal: "-", ok: null };
}

export function skipped(named: Named, goal: string, reason: string): RowResult {
  return { ...named, value: null, limit: null, ratio: null, goal, ok: null, skipped: reason };
}

export function failed(row: string, reason: string): RowResult {
  const nothing = { value: null, limit: null, ratio: null };
  return { row, ...nothing, unit: "-", goal: "-", ok: false, failed: reason };
}
