import { below, chance, type Clock, type Random } from "../../src/base/index.ts";
import {
  diskError,
  Rules,
  type CallMatch,
  type DiskCall,
  type DiskCallKind,
  type Effect,
  type Injection,
} from "./faults.ts";

/** A call that waits until it is let go. */
export interface Hold {
  /** Resolves when the call has arrived. */
  readonly arrived: Promise<DiskCall>;
  release(): void;
}

/** What a verb wants done. */
export interface CallAction<T> {
  readonly kind: DiskCallKind;
  readonly path: string;
  readonly position?: number;
  readonly bytes?: number;
  /** Runs when the call arrives: takes down what must be true once it has completed. */
  readonly begin?: () => void;
  /** Runs when the call completes. An `effect` is one that the verb itself has to carry out. */
  readonly run: (effect: Effect | undefined) => T;
  /** Of a write: puts its first `keep` bytes into the file. */
  readonly runPart?: (keep: number) => void;
}

export interface CallQueueOptions {
  readonly random: Random;
  readonly clock?: Clock | undefined;
  readonly callsMax?: number | undefined;
}

interface HeldCall {
  readonly hold: true;
  readonly arrived: (call: DiskCall) => void;
  readonly released: Promise<void>;
}

interface Waiting {
  readonly call: DiskCall;
  readonly action: CallAction<unknown>;
}

type Delay = (call: DiskCall, random: Random) => number;

const CALLS_MAX = 100_000;

/**
 * Where a call meets its fate. It is counted, shown to `onCall`, matched against the rules, delayed,
 * and then completes, or does not. The verb's deed happens at completion and in one step, so that
 * whoever changes a buffer before the answer has changed what is written.
 */
export class CallQueue {
  readonly calls: DiskCall[] = [];
  readonly stopped: Promise<void>;
  callCount = 0;
  onCall: ((call: DiskCall) => void) | undefined;
  delayMs: Delay | undefined;
  stopAfter: number = Infinity;
  readonly #random: Random;
  readonly #clock: Clock | undefined;
  readonly #callsMax: number;
  readonly #rules: Rules<Effect | HeldCall> = new Rules();
  readonly #waiting: Set<Waiting> = new Set();
  #takenOver = false;
  #resolveStopped: () => void = () => undefined;

  constructor({ random, clock, callsMax }: CallQueueOptions) {
    this.#random = random;
    this.#clock = clock;
    this.#callsMax = callsMax ?? CALLS_MAX;
    this.stopped = new Promise((resolve) => (this.#resolveStopped = resolve));
  }

  inject(match: CallMatch, effect: Effect): Injection {
    return this.#rules.add(match, effect);
  }

  hold(match: CallMatch): Hold {
    let release = (): void => undefined;
    let arrive: (call: DiskCall) => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const arrived = new Promise<DiskCall>((resolve) => (arrive = resolve));
    this.#rules.add(match, { hold: true, arrived: arrive, released });
    return { arrived, release };
  }

  /** One call, from its arrival to its answer. Of a dead process it has neither. */
  perform<T>(action: CallAction<T>): Promise<T> {
    const call = this.#arrive(action);
    if (call === undefined) return new Promise(() => undefined);
    const rule = this.#rules.take(call);
    action.begin?.();
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { call, action };
      this.#waiting.add(waiting);
      this.#schedule(call, rule, () => {
        if (!this.#waiting.delete(waiting)) return;
        const effect = rule !== undefined && "hold" in rule ? undefined : rule;
        try {
          if (effect !== undefined && "hang" in effect) {
            action.runPart?.(effect.keep ?? 0);
          } else {
            const value = run(action, call, effect);
            if (!this.#dead) resolve(value);
          }
        } catch (caught) {
          const error: Error = caught as Error;
          if (!this.#dead) reject(error);
        }
      });
    });
  }

  /** No call is answered any more; those under way happen, happen in part, or do not. */
  takeOver(inFlight: "none" | "all" | "random"): void {
    this.#takenOver = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    if (inFlight === "none") return;
    for (const { call, action } of waiting) {
      // Whether a sync got through cannot be known: its pages stay doubtful.
      if (call.kind === "sync" || call.kind === "syncDirectory") continue;
      try {
        if (inFlight === "all" || chance(this.#random, 0.5)) action.run(undefined);
        else action.runPart?.(below(this.#random, call.bytes + 1));
      } catch {
        // It would have failed, and nobody is left to be told.
      }
    }
  }

  get #dead(): boolean {
    return this.#takenOver || this.callCount > this.stopAfter;
  }

  #arrive({ kind, path, position, bytes }: CallAction<unknown>): DiskCall | undefined {
    if (this.#takenOver) return undefined;
    this.callCount += 1;
    if (this.#dead) {
      this.#resolveStopped();
      return undefined;
    }
    const number = this.callCount;
    const call: DiskCall = { number, kind, path, position: position ?? 0, bytes: bytes ?? 0 };
    this.onCall?.(call);
    this.#remember(call);
    return call;
  }

  #schedule(call: DiskCall, rule: Effect | HeldCall | undefined, complete: () => void): void {
    if (rule !== undefined && "hold" in rule) {
      rule.arrived(call);
      void rule.released.then(complete);
      return;
    }
    const delayMs = this.delayMs?.(call, this.#random) ?? 0;
    if (delayMs > 0 && this.#clock !== undefined) this.#clock.after(delayMs, complete);
    // A promise rather than `queueMicrotask`, which makes a resource of every call.
    else void Promise.resolve().then(complete);
  }

  #remember(call: DiskCall): void {
    if (this.#callsMax === 0) return;
    // Dropped in large steps, so that forgetting costs nothing per call.
    if (this.calls.length >= 2 * this.#callsMax) {
      this.calls.splice(0, this.calls.length - this.#callsMax);
    }
    this.calls.push(call);
  }
}

function run<T>(action: CallAction<T>, call: DiskCall, effect: Effect | undefined): T {
  if (effect === undefined || !("error" in effect)) return action.run(effect);
  // A failed sync does something: it makes its pages clean. Of a write a part may be there.
  if (call.kind === "sync" || call.kind === "syncDirectory") action.run(effect);
  else action.runPart?.(effect.keep ?? 0);
  throw diskError(effect.error, call.kind, call.path);
}
