import type { Operation } from "../checkers/index.ts";

/** What clients asked and were told. Moments are places in the order of events, so all are distinct. */
export class Recorder {
  readonly operations: Operation[] = [];
  /** By offset: what was acknowledged. */
  readonly acknowledged: Map<number, string> = new Map();
  appends = 0;
  reads = 0;
  #moment = 0;

  moment(): number {
    return ++this.#moment;
  }

  /** An append was answered, or given up. */
  append(
    value: string,
    invokedAt: number,
    outcome: number | "fail" | "info",
    idempotent = false,
  ): void {
    this.appends += 1;
    const returnedAt = outcome === "info" ? Infinity : this.moment();
    const attempt = { kind: "append", value, invokedAt, returnedAt, idempotent } as const;
    if (typeof outcome === "string") {
      this.operations.push({ ...attempt, outcome });
      return;
    }
    this.operations.push({ ...attempt, outcome: "ok", offset: outcome });
    this.acknowledged.set(outcome, value);
  }

  read(offset: number, value: string | undefined, invokedAt: number, linearizable: boolean): void {
    this.reads += 1;
    const returnedAt = this.moment();
    this.operations.push({ kind: "read", offset, value, invokedAt, returnedAt, linearizable });
  }

  tail(next: number, invokedAt: number, linearizable: boolean): void {
    this.reads += 1;
    const returnedAt = this.moment();
    this.operations.push({ kind: "tail", next, invokedAt, returnedAt, linearizable });
  }
}
