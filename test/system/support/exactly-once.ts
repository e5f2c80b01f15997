import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../../src/base/index.ts";
import { type Client, connect, type Producer, type Sent } from "../../../src/client/index.ts";
import { ClusterProcesses } from "./cluster.ts";
import { Front } from "./front.ts";
import { type Fault, LeaderFaults, plan } from "./leader-faults.ts";
import { endAlike } from "./leader-kills.ts";

const PRODUCERS = 4;
/** Each producer sends so many, then takes a breath: the faults are to meet it at work. */
const BURST = 4;
const BREATH_MS = 15;
const PATIENCE_MS = 120_000;
/** Who stops and starts servers all day is not given up by those who follow. */
const PATIENT = { attemptsMax: 1_000, delayMsMin: 10, delayMsMax: 250 };

export interface ExactlyOnceOptions {
  readonly folder: string;
  /** At least so many, and as many as it takes until the faults are through. */
  readonly records: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly seed: number;
}

export interface ExactlyOnce {
  readonly records: number;
  /** Acknowledged as what an earlier attempt had appended: without a stamp they would be there twice. */
  readonly duplicates: number;
}

/** One producer, and what it was told. */
class Writer {
  readonly sent: Sent[] = [];
  readonly #producer: Producer;
  readonly #name: string;

  constructor(client: Client, name: string) {
    this.#producer = client.producer({ batchBytesMax: 2_000, deliveryTimeoutMs: PATIENCE_MS });
    this.#name = name;
  }

  /** Until the signal, and until there are so many. */
  async write(records: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted || this.sent.length < records) {
      const value = `${this.#name}:${this.sent.length}:${"v".repeat(this.sent.length % 100)}`;
      this.sent.push(await this.#producer.send({ value: Buffer.from(value) }));
      if (!signal.aborted && this.sent.length % BURST === 0) await sleep(BREATH_MS);
    }
    await this.#producer.close();
  }

  /** A record that is sent from now on is durable. */
  async progress(): Promise<void> {
    const before = this.sent.length;
    while (this.sent.length <= before) await sleep(1);
    await this.sent[before]?.ack;
  }
}

/**
 * Producers of clients of their own, while leaders are killed, stopped and cut off. Then the log of each
 * server holds each record once, a producer's in its order, where it was acknowledged, and nothing else;
 * and so did one who followed all the time.
 */
export async function appendExactlyOnce(options: ExactlyOnceOptions): Promise<ExactlyOnce> {
  const { folder, records, seed } = options;
  const random = seededRandom(seed);
  await using fronts = await Fronts.listen(3);
  await using cluster = await ClusterProcesses.start({ folder, fronts: fronts.all });
  await using clients = new Clients(fronts.address);
  const writers = Array.from({ length: PRODUCERS }, (_, i) => new Writer(clients.open(), `p${i}`));
  const followed: string[] = [];
  const enough = new AbortController();
  const following = follow(clients.open(), followed, enough.signal);
  const through = new AbortController();
  const writing = Promise.all(
    writers.map((writer) => writer.write(records / PRODUCERS, through.signal)),
  );
  try {
    const faults = new LeaderFaults(cluster, fronts.all, random);
    const progress = (): Promise<unknown> => Promise.all(writers.map((one) => one.progress()));
    for (const fault of plan(random, options.faults)) {
      await Promise.race([progress().then(() => faults.strike(fault, progress)), writing]);
    }
  } finally {
    through.abort();
  }
  await writing;

  const expected: string[] = [];
  let duplicates = 0;
  for (const [i, { sent }] of writers.entries()) {
    for (const [n, { ack }] of sent.entries()) {
      const { offset, duplicate } = await ack;
      assert.equal(expected[offset], undefined, `offset ${offset} was given twice`);
      expected[offset] = `p${i}:${n}`;
      duplicates += duplicate ? 1 : 0;
    }
  }
  const next = await cluster.untilEven();
  assert.equal(next, expected.length, "there is nothing but what was acknowledged");
  for (const at of fronts.all.keys()) {
    await using client = cluster.only(at);
    compare(await read(client, next), expected);
  }
  while (followed.length < next) await sleep(10);
  enough.abort();
  await following;
  compare(followed, expected);
  await endAlike(cluster);
  return { records: next, duplicates };
}

/** The producer and number of each record; a producer's come in their order. */
function compare(seen: readonly string[], expected: readonly string[]): void {
  assert.equal(seen.length, expected.length);
  const counts = new Map<string, number>();
  for (const [offset, name] of seen.entries()) {
    assert.equal(name, expected[offset], `offset ${offset}`);
    const [producer = "", n] = name.split(":");
    const count = counts.get(producer) ?? 0;
    assert.equal(Number(n), count, `the record of ${producer} at ${offset}`);
    counts.set(producer, count + 1);
  }
}

async function read(client: Client, next: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const { value } of client.records({ from: 0, limit: next })) seen.push(nameOf(value));
  return seen;
}

async function follow(client: Client, seen: string[], signal: AbortSignal): Promise<void> {
  try {
    for await (const { offset, value } of client.records({ from: 0, follow: true, signal })) {
      assert.equal(offset, seen.length, "who follows gets each record once");
      seen.push(nameOf(value));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function nameOf(value: Uint8Array | null): string {
  const [producer, n] = Buffer.from(value ?? [])
    .toString()
    .split(":");
  return `${producer}:${n}`;
}

/** Clients that know all addresses, closed together. */
export class Clients implements AsyncDisposable {
  readonly #address: string;
  readonly #clients: Client[] = [];

  constructor(address: string) {
    this.#address = address;
  }

  open(): Client {
    const client = connect(this.#address, { retry: PATIENT });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

/** One for each server. */
export class Fronts implements AsyncDisposable {
  readonly all: readonly Front[];

  private constructor(all: readonly Front[]) {
    this.all = all;
  }

  static async listen(count: number): Promise<Fronts> {
    return new Fronts(await Promise.all(Array.from({ length: count }, () => Front.listen())));
  }

  /** As a client takes them. */
  get address(): string {
    return this.all.map(({ address }) => address).join(",");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((front) => front[Symbol.asyncDispose]()));
  }
}
