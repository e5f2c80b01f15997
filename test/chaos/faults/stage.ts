import { below, chance } from "../../../src/base/index.ts";
import type { Random } from "../../../src/base/index.ts";
import type { History } from "../load/history.ts";
import type { Lab, Place } from "../lab.ts";
import type { Watch } from "../watch.ts";
import { waitUnless } from "../wait.ts";

/**
 * Faults of one lane follow each other, those of different lanes overlap: a leader is killed while the
 * network is cut, and while the disk of another one is made anew.
 */
export const LANES = ["network", "process", "disk"] as const;
export type Lane = (typeof LANES)[number];

/** Something that goes wrong, from its beginning to its end. */
export interface Fault {
  readonly kind: string;
  readonly lane: Lane;
  /** What it is, for who reads the report. */
  readonly title: string;
  /** What this machine lacks for it; undefined: nothing. */
  readonly missing?: (lab: Lab) => string | undefined;
  /** Does it, holds it and undoes it. False when there was nobody to do it to. */
  readonly run: (stage: Stage) => Promise<boolean>;
}

/** One that happened. */
export interface FaultEvent {
  readonly kind: string;
  readonly lane: Lane;
  target: string;
  readonly beganMs: number;
  /** Undefined: it goes on. */
  endedMs: number | undefined;
}

export interface StageParts {
  readonly lab: Lab;
  readonly watch: Watch;
  readonly history: History;
  readonly random: Random;
  /** Aborted when the storm is over: what holds ends then. */
  readonly signal: AbortSignal;
}

/** What a fault has to act with and upon. */
export class Stage {
  readonly lab: Lab;
  readonly watch: Watch;
  readonly history: History;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Whom it befell, in words. */
  target = "";

  constructor({ lab, watch, history, random, signal }: StageParts) {
    this.lab = lab;
    this.watch = watch;
    this.history = history;
    this.random = random;
    this.signal = signal;
  }

  get isOver(): boolean {
    return this.signal.aborted;
  }

  /** A time between two, or until the storm is over. */
  async hold(msMin: number, msMax: number): Promise<void> {
    await waitUnless(msMin + below(this.random, msMax - msMin), this.signal);
  }

  /** Until something is so, the storm is over, or patience is; answers whether it is so. */
  async until(isSo: () => boolean, patienceMs: number): Promise<boolean> {
    const end = performance.now() + patienceMs;
    while (!isSo()) {
      if (this.isOver || performance.now() > end) return false;
      await waitUnless(50, this.signal);
    }
    return true;
  }

  /** One of the cluster's servers that answers and that no fault has; often the one that leads. */
  pick(): Place | undefined {
    const free = this.lab.core.filter(
      ({ at, server, holder }) =>
        server !== undefined && holder === undefined && this.watch.status(at) !== undefined,
    );
    const leader = this.watch.leader();
    if (leader !== undefined && free.includes(leader) && chance(this.random, 0.4)) return leader;
    return free[below(this.random, free.length)];
  }

  /** Takes a server, so that no other fault does, for as long as the work lasts. */
  async holding(
    kind: string,
    work: (place: Place, isLeader: boolean) => Promise<void>,
  ): Promise<boolean> {
    const place = this.pick();
    if (place === undefined) return false;
    const isLeader = place === this.watch.leader();
    place.holder = kind;
    this.target = isLeader ? `${place.name}, the leader` : place.name;
    try {
      await work(place, isLeader);
    } finally {
      place.holder = undefined;
    }
    return true;
  }
}
