import type { Violation } from "../../sim/checkers/index.ts";
import type { FaultEvent } from "./faults/stage.ts";
import type { History } from "./load/history.ts";
import type { Leadership } from "./watch.ts";

export interface Figures {
  readonly stormSeconds: number;
  readonly appends: number;
  readonly acknowledged: number;
  readonly acknowledgedIdempotent: number;
  readonly acknowledgedPlain: number;
  readonly acknowledgedConditional: number;
  /** Acknowledged, or refused. */
  readonly answeredConditional: number;
  readonly refused: number;
  readonly unknown: number;
  readonly reads: number;
  readonly linearizableReads: number;
  readonly leaderChanges: number;
  readonly faults: number;
  readonly faultKinds: number;
  readonly longestGapMs: number;
  readonly healedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One second of the run, for the picture. */
export interface SecondRow {
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A run, as its report tells it. */
export interface Outcome {
  readonly seed: number;
  readonly minutes: number;
  readonly replicas: number;
  readonly bug: string | undefined;
  /** The command that does the same again. */
  readonly command: string;
  readonly wires: string;
  /** Kinds of faults that this machine cannot make, and what it lacks. */
  readonly missing: Readonly<Record<string, string>>;
  readonly figures: Figures;
  readonly faultCounts: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  readonly events: readonly FaultEvent[];
  readonly leaderships: readonly Leadership[];
  readonly seconds: readonly SecondRow[];
}

/** The value below which a share of them lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10;
}

export function secondRows(history: History): SecondRow[] {
  return history.seconds.map(({ acknowledged, refused, unknown, latenciesMs }) => ({
    ...{ acknowledged, refused, unknown },
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  }));
}

export interface Measured {
  readonly stormSeconds: number;
  readonly healedMs: number;
  readonly events: readonly FaultEvent[];
  readonly leaderships: readonly Leadership[];
}

export function figuresOf(history: History, measured: Measured): Figures {
  const { stormSeconds, healedMs, events, leaderships } = measured;
  const latenciesMs = history.seconds.flatMap((second) => second.latenciesMs);
  const { idempotent, plain, conditional } = history.tally;
  return {
    stormSeconds: Math.round(stormSeconds),
    appends: history.appends,
    acknowledged: idempotent + plain + conditional,
    acknowledgedIdempotent: idempotent,
    acknowledgedPlain: plain,
    acknowledgedConditional: conditional,
    answeredConditional: conditional + history.mismatches,
    refused: history.refused,
    unknown: history.unknown,
    reads: history.reads,
    linearizableReads: history.freshReads,
    leaderChanges: Math.max(0, leaderships.length - 1),
    faults: events.length,
    faultKinds: new Set(events.map(({ kind }) => kind)).size,
    longestGapMs: Math.round(history.longestGapMs),
    healedMs: Math.round(healedMs),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  };
}

/** Of a machine that is busy with others; a quiet one has a hundred times as many. */
const ACKS_PER_SECOND_MIN = 2;
const FRESH_READS_PER_SECOND_MIN = 0.3;
const ACKED_SHARE_MIN = 0.2;
const SECONDS_PER_LEADER_MAX = 30;
const SECONDS_PER_KIND_MAX = 12;

/** V1: a run in which too little happened for its length proves nothing. */
export function checkVacuity(figures: Figures, kindsPossible: number): Violation[] {
  const violations: Violation[] = [];
  const { stormSeconds, appends, leaderChanges, faultKinds, linearizableReads } = figures;
  const need = (what: string, is: number, min: number): void => {
    if (is >= min) return;
    violations.push({ rule: "V1", message: `vacuous: ${is} ${what}, at least ${min} are wanted` });
  };
  need("acknowledged appends", figures.acknowledged, Math.ceil(stormSeconds * ACKS_PER_SECOND_MIN));
  // Conditional appends are mostly refused: that is their game.
  const free = appends - figures.refused;
  need("of the appends acknowledged", figures.acknowledged, Math.ceil(free * ACKED_SHARE_MIN));
  need("idempotent ones", figures.acknowledgedIdempotent, 1);
  need("plain ones", figures.acknowledgedPlain, 1);
  // Who is late with an offset is refused: that is an answer, too.
  need("conditional ones answered", figures.answeredConditional, 1);
  const freshReads = Math.ceil(stormSeconds * FRESH_READS_PER_SECOND_MIN);
  need("linearizable reads", linearizableReads, freshReads);
  need("changes of the leader", leaderChanges, Math.floor(stormSeconds / SECONDS_PER_LEADER_MAX));
  const kinds = Math.min(kindsPossible, Math.floor(stormSeconds / SECONDS_PER_KIND_MAX));
  need("kinds of faults", faultKinds, kinds);
  return violations;
}
