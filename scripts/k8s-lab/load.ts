/**
 * Producers and readers that never stop while the cluster is turned over, and a history of all that they
 * were told, which is checked at the end by the simulator's exact checker.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { checkHistory } from "../../sim/checkers/history.ts";
import type { AppendAttempt, Operation } from "../../sim/checkers/history.ts";
import { type Client, connect, type ConnectOptions, ProglogError } from "../../src/client/index.ts";

/** Between two calls of one worker: the machine has other things to do, and the history stays small. */
const BETWEEN_CALLS_MS = 20;
const WRITERS = 3;

/** What the callers saw during one step. */
export interface Figures {
  readonly acknowledged: number;
  /** Produce calls that ended with an error, after the client's own tries. */
  readonly failed: number;
  readonly reads: number;
  readonly failedReads: number;
  /** The longest time without any acknowledgement, to any writer. */
  readonly gapMs: number;
  readonly slowestCallMs: number;
}

const NONE: Figures = {
  ...{ acknowledged: 0, failed: 0, reads: 0, failedReads: 0, gapMs: 0, slowestCallMs: 0 },
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Load {
  readonly #address: string;
  readonly #options: ConnectOptions;
  readonly #operations: Operation[] = [];
  readonly #stop = new AbortController();
  readonly #workers: Promise<void>[] = [];
  /** Places in the order of events, which is the checker's time. */
  #place = 0;
  #next = 0;
  #lastAckMs = performance.now();
  #failure: Error | undefined;
  /** Values of `helm test`, which writes as well. */
  readonly #foreign = new Set<string>();
  #figures: Mutable<Figures> = { ...NONE };
  readonly errors: string[] = [];

  constructor(address: string, options: ConnectOptions) {
    this.#address = address;
    this.#options = options;
  }

  start(): void {
    this.#lastAckMs = performance.now();
    for (let at = 0; at < WRITERS; at++) this.#begin((client) => this.#write(client, `w${at}`));
    this.#begin((client) => this.#produce(client));
    this.#begin((client) => this.#read(client, "linearizable"));
    this.#begin((client) => this.#read(client, "stale"));
    this.#begin((client) => this.#follow(client));
  }

  /** The figures since the last call. */
  take(): Figures {
    if (this.#failure !== undefined) throw this.#failure;
    this.#sawGap();
    const figures = this.#figures;
    this.#figures = { ...NONE };
    return figures;
  }

  /** Ends the load; the log is then read whole from each server, and all of it is compared. */
  async end(servers: readonly string[]): Promise<{ records: number; operations: number }> {
    this.#stop.abort();
    await Promise.all(this.#workers);
    if (this.#failure !== undefined) throw this.#failure;
    let next = 0;
    for (const server of servers) next = Math.max(next, await this.#readWhole(server));
    const violations = checkHistory(this.#operations);
    assert.deepEqual(violations, []);
    return { records: next, operations: this.#operations.length };
  }

  #begin(work: (client: Client) => Promise<void>): void {
    const run = async (): Promise<void> => {
      await using client = connect(this.#address, this.#options);
      await work(client);
    };
    this.#workers.push(
      run().catch((error: unknown) => {
        this.#failure ??= ProglogError.from(error);
      }),
    );
  }

  /** Each value is a call of its own, sent again only while it is certain that it is in no log. */
  async #write(client: Client, name: string): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      const value = `${name}-${n}`;
      const attempt = this.#invoke(value, false);
      try {
        const { offset } = await client.produce({ value: Buffer.from(value) });
        this.#acknowledged(attempt, offset);
      } catch (error) {
        this.#failed(attempt, error);
      }
      await pause(BETWEEN_CALLS_MS);
    }
  }

  /** Stamped batches, which are sent again whatever happened, and are there once. */
  async #produce(client: Client): Promise<void> {
    const producer = client.producer({ deliveryTimeoutMs: 120_000 });
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      const value = `p-${n}`;
      const attempt = this.#invoke(value, true);
      try {
        const sent = await producer.send({ value: Buffer.from(value) });
        const { offset } = await sent.ack;
        this.#acknowledged(attempt, offset);
      } catch (error) {
        this.#failed(attempt, error);
        throw error;
      }
      await pause(BETWEEN_CALLS_MS);
    }
    await producer.close();
  }

  async #read(client: Client, consistency: "linearizable" | "stale"): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      await pause(BETWEEN_CALLS_MS);
      // Every third time what is not there yet, perhaps.
      const offset = n % 3 === 0 ? this.#next : (n * 7_919) % (this.#next + 1);
      const invokedAt = this.#place++;
      const linearizable = consistency === "linearizable";
      const add = (value: string | undefined): void => {
        const returnedAt = this.#place++;
        this.#figures.reads++;
        this.#operations.push({ kind: "read", offset, value, invokedAt, returnedAt, linearizable });
      };
      try {
        const record = await client.read(offset, { consistency });
        const value = textOf(record.value);
        this.#known(value);
        add(value);
      } catch (error) {
        if (error instanceof ProglogError && error.code === "OFFSET_OUT_OF_RANGE") add(undefined);
        else this.#failedRead(error);
      }
    }
  }

  /** One subscription over everything that happens: dense, in order, and the same as all others saw. */
  async #follow(client: Client): Promise<void> {
    const { signal } = this.#stop;
    let offset = 0;
    try {
      for await (const record of client.records({ from: 0, follow: true, signal })) {
        assert.equal(record.offset, offset++, "a subscription is dense");
        this.#saw(record.offset, textOf(record.value), this.#place++);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #readWhole(server: string): Promise<number> {
    await using client = connect(`dns:${server}`, this.#options);
    const { lowest, next } = await client.offsets();
    assert.equal(lowest, 0, `${server}: nothing was removed`);
    assert.ok(next >= this.#next, `${server} ends at ${next}, acknowledged was ${this.#next}`);
    let offset = 0;
    for await (const record of client.records({ from: 0, limit: next })) {
      assert.equal(record.offset, offset++);
      this.#saw(record.offset, textOf(record.value), this.#place++);
    }
    assert.equal(offset, next, `${server}: the whole log was read`);
    return next;
  }

  #saw(offset: number, value: string, invokedAt: number): void {
    this.#known(value);
    const returnedAt = this.#place++;
    this.#operations.push({
      ...{ kind: "read", offset, value, invokedAt, returnedAt, linearizable: false },
    });
  }

  /** What `helm test` wrote is explained by an attempt that nobody heard of again. */
  #known(value: string): void {
    if (!value.startsWith("smoke ") || this.#foreign.has(value)) return;
    this.#foreign.add(value);
    const unknown = { invokedAt: -1, returnedAt: Infinity, outcome: "info" } as const;
    this.#operations.push({ kind: "append", value, idempotent: true, ...unknown });
  }

  #invoke(value: string, idempotent: boolean): Pending {
    return { value, idempotent, invokedAt: this.#place++, sinceMs: performance.now() };
  }

  #acknowledged(pending: Pending, offset: number): void {
    this.#sawGap();
    this.#lastAckMs = performance.now();
    this.#figures.acknowledged++;
    this.#next = Math.max(this.#next, offset + 1);
    this.#settle(pending, { outcome: "ok", offset });
  }

  #failed(pending: Pending, error: unknown): void {
    this.#figures.failed++;
    const isRefused = error instanceof ProglogError && error.notAppended;
    this.#tell(`produce, ${isRefused ? "refused" : "unknown"}`, error);
    this.#settle(pending, { outcome: isRefused ? "fail" : "info" });
  }

  #failedRead(error: unknown): void {
    this.#figures.failedReads++;
    this.#tell("read", error);
  }

  #tell(what: string, error: unknown): void {
    const { code, message } = ProglogError.from(error);
    if (this.errors.length < 100) this.errors.push(`${what}: ${code} ${message}`);
  }

  #settle(pending: Pending, outcome: Pick<AppendAttempt, "outcome" | "offset">): void {
    const { value, idempotent, invokedAt, sinceMs } = pending;
    const tookMs = performance.now() - sinceMs;
    this.#figures.slowestCallMs = Math.max(this.#figures.slowestCallMs, tookMs);
    // A call without an answer may still act at any time.
    const returnedAt = outcome.outcome === "info" ? Infinity : this.#place++;
    this.#operations.push({ kind: "append", value, idempotent, invokedAt, returnedAt, ...outcome });
  }

  #sawGap(): void {
    const gapMs = performance.now() - this.#lastAckMs;
    this.#figures.gapMs = Math.max(this.#figures.gapMs, gapMs);
  }
}

interface Pending {
  readonly value: string;
  readonly idempotent: boolean;
  readonly invokedAt: number;
  readonly sinceMs: number;
}

function textOf(value: Uint8Array | null): string {
  return Buffer.from(value ?? []).toString();
}
