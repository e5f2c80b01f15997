import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { seededRandom } from "../../../src/base/index.ts";
import { type Client, connect, ProglogError } from "../../../src/client/index.ts";
import { ClusterProcesses } from "./cluster.ts";
import { Fronts } from "./exactly-once.ts";
import { type Fault, LeaderFaults, plan } from "./leader-faults.ts";
import { endAlike } from "./leader-kills.ts";

/** A try is given up after so long: nothing is known of it then. */
const TRY_MS = 5_000;
const PATIENCE_MS = 300_000;

export interface RacingOptions {
  readonly folder: string;
  readonly clients: number;
  /** At least so many, and as many as it takes until the faults are through. */
  readonly offsets: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly seed: number;
}

export interface Racing {
  readonly offsets: number;
  /** Told that the offset was theirs. */
  readonly won: number;
  /** Told that it was not. */
  readonly lost: number;
  /** Told nothing. */
  readonly unanswered: number;
}

/** All races: who wants each offset, and what he was told. */
class Races {
  readonly acks = new EventEmitter().setMaxListeners(0);
  /** The value of whoever was told that the offset is his. */
  readonly winners: (string | undefined)[] = [];
  readonly losers = new Set<string>();
  readonly unanswered = new Set<string>();

  won(offset: number, value: string): void {
    assert.equal(this.winners[offset], undefined, `offset ${offset} has two winners`);
    this.winners[offset] = value;
    this.acks.emit("ack");
  }

  async progress(): Promise<void> {
    await once(this.acks, "ack", { signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  /** What the log holds at each offset must be what one who wanted that offset was, or may be, told. */
  compare(values: readonly string[]): void {
    assert.equal(new Set(values).size, values.length, "no value is there twice");
    for (const [offset, value] of values.entries()) {
      assert.equal(Number(value.split("@")[1]), offset, `${value} is at ${offset}`);
      assert.ok(!this.losers.has(value), `${value} was refused, and is at ${offset}`);
      const winner = this.winners[offset];
      if (winner === undefined) assert.ok(this.unanswered.has(value), `who is ${value}?`);
      else assert.equal(value, winner, `offset ${offset}`);
    }
    assert.ok(this.winners.length <= values.length, "every winner is there");
  }
}

/** Wants the next offset, again and again. A value says which one it wanted. */
async function race(client: Client, name: string, races: Races, signal: AbortSignal) {
  let next = 0;
  for (let n = 0; !signal.aborted; n++) {
    const value = `${name}:${n}@${next}`;
    try {
      const answer = await client.produce({ value: Buffer.from(value) }, { expectedOffset: next });
      assert.equal(answer.offset, next);
      races.won(next, value);
      next += 1;
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      if (error.notAppended) races.losers.add(value);
      else races.unanswered.add(value);
      next = Number(error.details["next"] ?? (await nextOf(client)) ?? next);
    }
  }
}

async function nextOf(client: Client): Promise<number | undefined> {
  try {
    return (await client.offsets()).next;
  } catch {
    return undefined;
  }
}

/**
 * Clients that all want to write the next record, while leaders are killed, stopped and cut off. Each
 * offset has one winner, who was told so unless nobody told him anything; who was refused is not there.
 */
export async function raceForOffsets(options: RacingOptions): Promise<Racing> {
  const { folder, offsets, seed } = options;
  const random = seededRandom(seed);
  await using fronts = await Fronts.listen(3);
  await using cluster = await ClusterProcesses.start({ folder, fronts: fronts.all });
  const clients = Array.from({ length: options.clients }, () =>
    connect(fronts.address, { timeoutMs: TRY_MS }),
  );
  const races = new Races();
  const over = new AbortController();
  const racing = Promise.all(clients.map((client, i) => race(client, `r${i}`, races, over.signal)));
  try {
    const faults = new LeaderFaults(cluster, fronts.all, random);
    const progress = (): Promise<unknown> => races.progress();
    for (const fault of plan(random, options.faults)) {
      await Promise.race([progress().then(() => faults.strike(fault, progress)), racing]);
    }
    while (races.winners.length < offsets) await Promise.race([progress(), racing]);
  } finally {
    over.abort();
    await racing.finally(() => Promise.all(clients.map((client) => client.close())));
  }
  const next = await cluster.untilEven();
  for (const at of fronts.all.keys()) {
    await using client = cluster.only(at);
    const values: string[] = [];
    for await (const { value } of client.records({ from: 0, limit: next })) {
      values.push(Buffer.from(value ?? []).toString());
    }
    assert.equal(values.length, next);
    races.compare(values);
  }
  await endAlike(cluster);
  const won = races.winners.filter((winner) => winner !== undefined).length;
  const [lost, unanswered] = [races.losers.size, races.unanswered.size];
  return { offsets: next, won, lost, unanswered };
}
