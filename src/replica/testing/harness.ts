import assert from "node:assert/strict";
import { setImmediate as afterTurn } from "node:timers/promises";
import { ProglogError } from "../../base/index.ts";
import type { AppendAnswer, Clock, ErrorCode, RecordInput } from "../../base/index.ts";
import { ENTRY_TYPE } from "../../log/index.ts";
import type { Entry } from "../../log/index.ts";
import type { ReplicaOptions } from "../options.ts";
import { ProducerTable } from "../producers.ts";
import { Replica } from "../replica.ts";
import { FakeLog } from "./fake-log.ts";

/** Time that goes where the test puts it. */
export class FakeClock implements Clock {
  ms = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.ms;
  }
  monotonic(): number {
    return this.ms;
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.ms + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  get timerCount(): number {
    return this.#timers.size;
  }
  /** Goes on by `ms`, and calls what is due. */
  advance(ms: number): void {
    this.ms += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at > this.ms || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  }
}

export interface Fixture {
  readonly log: FakeLog;
  readonly clock: FakeClock;
  readonly replica: Replica;
}

/** A replica that leads, over a log in memory. */
export async function startFixture(
  prepare: (log: FakeLog) => void = () => undefined,
  options: Partial<ReplicaOptions> = {},
): Promise<Fixture> {
  const clock = new FakeClock();
  const producers = new ProducerTable();
  const log = new FakeLog(producers);
  prepare(log);
  const replica = await Replica.start({ ...fixtureOptions, log, producers, clock, ...options });
  return { log, clock, replica };
}

export const fixtureOptions: Pick<ReplicaOptions, "replicaId" | "describe"> = {
  replicaId: 7,
  describe: () => ({
    clusterId: "c",
    id: "one",
    rpcAddress: "127.0.0.1:8400",
    httpAddress: "",
    fsyncRelaxed: false,
  }),
};

/** The entries that carry records. */
export function recordEntries({ entries }: { readonly entries: readonly Entry[] }): Entry[] {
  return entries.filter((entry) => entry.type === ENTRY_TYPE.records);
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export const record: RecordInput = { value: bytesOf("v") };

export const offsets = (answers: readonly AppendAnswer[]): number[] =>
  answers.map(({ baseOffset }) => baseOffset);

/** Rejects with this code, and with or without the word that nothing was appended. */
export async function rejects(
  promise: Promise<unknown>,
  code: ErrorCode,
  notAppended: boolean,
): Promise<ProglogError> {
  const error = await promise.then(
    () => assert.fail(`resolved instead of ${code}`),
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof ProglogError, String(error));
  assert.equal(`${error.code} ${error.notAppended}`, `${code} ${notAppended}`);
  return error;
}

/** Whether a promise is still waiting when everything that can run has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => void (settled = true);
  promise.then(settle, settle);
  for (let turn = 0; turn < 3; turn++) await afterTurn();
  return !settled;
}
