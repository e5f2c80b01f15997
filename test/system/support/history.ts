import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { checkHistory } from "../../../sim/checkers/index.ts";
import type { AppendAttempt, Operation } from "../../../sim/checkers/index.ts";
import { connect, ProglogError } from "../../../src/client/index.ts";
import type { Client, ProduceAnswer, Producer } from "../../../src/client/index.ts";

/** Nobody is to be busy with tests alone. */
const BREATH_MS = 5;
const AFTER_FAILURE_MS = 20;
/** A try is given up after so long: nothing is known of it then. */
const TRY_MS = 2_000;
const PATIENCE_MS = 30_000;
const ONCE = { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 };
/** Who is cut off from the leader is not given up. */
const PATIENT = { attemptsMax: 1_000, delayMsMin: 10, delayMsMax: 250 };

type Answer = Pick<ProduceAnswer, "offset" | "term">;
type Attempt = AppendAttempt & { readonly number: number; readonly term?: number };

/** What clients asked of a log and were told, in the order of events. */
export class History {
  readonly operations: Operation[] = [];
  #now = 0;

  /** The place of this moment in the order. */
  get now(): number {
    return this.#now++;
  }

  /** One attempt to append a value of its own. Never rejects. */
  async append(
    value: string,
    idempotent: boolean,
    attempt: () => Promise<Answer>,
  ): Promise<Omit<Attempt, "number">> {
    const invokedAt = this.now;
    const told = await attempt().catch((error: unknown) => ProglogError.from(error));
    const asked = { kind: "append", value, invokedAt, idempotent } as const;
    const operation =
      told instanceof ProglogError
        ? told.notAppended
          ? ({ ...asked, returnedAt: this.now, outcome: "fail" } as const)
          : ({ ...asked, returnedAt: Infinity, outcome: "info" } as const)
        : ({ ...asked, returnedAt: this.now, outcome: "ok", ...told } as const);
    this.operations.push(operation);
    return operation;
  }

  /** Where the log ends, proved; nothing when that could not be proved. */
  async tail(client: Client): Promise<void> {
    const invokedAt = this.now;
    try {
      await client.read(Number.MAX_SAFE_INTEGER);
      assert.fail("there can be no such record");
    } catch (caught) {
      const { code, details } = ProglogError.from(caught);
      if (code !== "OFFSET_OUT_OF_RANGE") return;
      const next = Number(details["next"]);
      const returnedAt = this.now;
      this.operations.push({ kind: "tail", next, invokedAt, returnedAt, linearizable: true });
    }
  }

  /** Every record that a server has, each of them a read; answers the values. */
  async drain(client: Client): Promise<string[]> {
    const values: string[] = [];
    const invokedAt = this.now;
    for await (const { offset, value: bytes } of client.records({ from: 0 })) {
      const value = Buffer.from(bytes ?? []).toString();
      const read = { kind: "read", offset, value, invokedAt, returnedAt: this.now } as const;
      this.operations.push({ ...read, linearizable: false });
      values.push(value);
    }
    return values;
  }

  /** One log can have said it all. */
  check(): void {
    assert.deepEqual(checkHistory(this.operations), []);
  }
}

/** Appends records all the time, one after the other, until it is told to end. */
export class Appender implements AsyncDisposable {
  readonly attempts: Attempt[] = [];
  readonly #history: History;
  readonly #client: Client;
  readonly #name: string;
  readonly #producer: Producer | undefined;
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #begun = 0;

  /** Through one server, and what failed is not tried again: another value comes instead. */
  static through(history: History, address: string, name: string): Appender {
    const client = connect(`ipv4:${address}`, { retry: ONCE, timeoutMs: TRY_MS });
    return new Appender(history, client, name, undefined);
  }

  /** As one who knows all addresses, and tries again until it is there, once. */
  static everywhere(history: History, addresses: readonly string[], name: string): Appender {
    const client = connect(addresses.join(","), { retry: PATIENT });
    return new Appender(history, client, name, client.producer({ deliveryTimeoutMs: PATIENCE_MS }));
  }

  private constructor(history: History, client: Client, name: string, producer?: Producer) {
    this.#history = history;
    this.#client = client;
    this.#name = name;
    this.#producer = producer;
    this.#running = this.#run();
  }

  /** So many records whose appends begin from now on are acknowledged. */
  async progress(count = 1): Promise<void> {
    const from = this.#begun;
    const end = performance.now() + PATIENCE_MS;
    const isThere = ({ number, outcome }: Attempt): boolean => outcome === "ok" && number >= from;
    while (this.attempts.filter(isThere).length < count) {
      assert.ok(performance.now() < end, `${this.#name} gets no answer any more`);
      await sleep(BREATH_MS);
    }
  }

  /** Ends after the append that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
    await this.#producer?.close();
    await this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const number = this.#begun++;
      const value = `${this.#name}-${number}:${"w".repeat((number * 7919) % 300)}`;
      const attempt = await this.#history.append(value, this.#producer !== undefined, () =>
        this.#append(value),
      );
      this.attempts.push({ ...attempt, number });
      // Whoever knows all addresses would wait for one that is cut off, and only that.
      if (this.#producer === undefined) await this.#history.tail(this.#client);
      await sleep(attempt.outcome === "ok" ? BREATH_MS : AFTER_FAILURE_MS);
    }
  }

  async #append(text: string): Promise<Answer> {
    const value = Buffer.from(text);
    if (this.#producer === undefined) return this.#client.produce({ value });
    const { ack } = await this.#producer.send({ value });
    return ack;
  }
}
