import { below, chance, type Random } from "../../src/base/index.ts";
import type { Holding, Sequenced, Session } from "../checkers/index.ts";
import type { Replica, RetentionRule } from "../../src/replica/index.ts";
import { Recorder } from "../workload/recorder.ts";
import type { Swarm, World } from "../world/index.ts";
import { Asker, outcomeOf } from "./asker.ts";
import type { ReplicaCluster } from "./cluster.ts";
import { Consumer } from "./consumer.ts";
import { Producer } from "./producer.ts";
import { sequencesIn } from "./sequences.ts";

/** What is kept: everything, some segments, or what is young. */
const RULES: readonly RetentionRule[] = [
  { retentionBytes: 0, retentionMs: 0 },
  { retentionBytes: 8_192, retentionMs: 0 },
  { retentionBytes: 0, retentionMs: 20_000 },
];

/** Programs that append, read and follow, and write down what they were told. */
export class ReplicaClients {
  readonly recorder: Recorder = new Recorder();
  readonly #world: World;
  readonly #cluster: ReplicaCluster;
  readonly #asker: Asker<Replica>;
  readonly #random: Random;
  readonly #producers: readonly Producer[];
  readonly #consumers: readonly Consumer[];
  #values = 0;
  #isStopped = false;

  constructor(world: World, cluster: ReplicaCluster, swarm: Swarm) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = world.random("clients");
    this.#asker = new Asker(world, cluster);
    const told = { world, asker: this.#asker, recorder: this.recorder };
    this.#producers = [1, 2].map((number) => new Producer(told, `p${number}`));
    this.#consumers = [1, 2].map((number) => new Consumer(told, `c${number}`));
    this.#repeat(swarm.load, () => this.#operate());
    if (swarm.deletions > 0) this.#repeat(swarm.deletions / 60, () => this.#deleteSome());
  }

  get sessions(): readonly Session[] {
    return this.#consumers.flatMap(({ sessions }) => sessions);
  }

  sequencesIn(holdings: readonly Holding[]): Sequenced[] {
    return sequencesIn(this.recorder, holdings);
  }

  stop(): void {
    this.#isStopped = true;
    for (const part of [...this.#producers, ...this.#consumers]) part.stop();
  }

  appendUntilDone(done: () => void): void {
    this.#append(`v${++this.#values}`, Infinity, done);
  }

  #repeat(perSecond: number, action: () => void): void {
    const u = (1 + below(this.#random, 1 << 20)) / (1 << 20);
    this.#world.after((-Math.log(u) * 1_000) / perSecond, () => {
      if (this.#isStopped) return;
      action();
      this.#repeat(perSecond, action);
    });
  }

  #operate(): void {
    const draw = below(this.#random, 10);
    if (draw < 5) this.#append(`v${++this.#values}`, below(this.#random, 4), () => undefined);
    else if (draw < 8) this.#readTail();
    else this.#readStale();
  }

  #append(value: string, retries: number, done: () => void): void {
    const invokedAt = this.recorder.moment();
    const bytes = new TextEncoder().encode(value);
    this.#asker.ask(
      (replica) => replica.append({ value: bytes }),
      (outcome) => {
        this.recorder.append(value, invokedAt, outcomeOf(outcome));
        if ("value" in outcome) done();
        else if (retries > 0) {
          const wait = retries === Infinity ? 100 : below(this.#random, 500);
          this.#world.after(wait, () => this.#append(value, retries - 1, done));
        }
      },
    );
  }

  #readTail(): void {
    const invokedAt = this.recorder.moment();
    this.#asker.ask(
      (replica) => replica.readBarrier(),
      (outcome, replica) => {
        if (!("value" in outcome) || replica === undefined) return;
        this.recorder.tail(replica.highWatermark, invokedAt, true);
      },
      0.4,
    );
  }

  #readStale(): void {
    const invokedAt = this.recorder.moment();
    this.#asker.ask(
      (replica) => Promise.resolve(replica.highWatermark),
      (outcome) => {
        if ("value" in outcome) this.recorder.tail(outcome.value, invokedAt, false);
      },
      0,
    );
  }

  /** Lets go of old records, so that segments go and followers need markers. */
  #deleteSome(): void {
    const { logStart } = this.#cluster;
    const isRule = chance(this.#random, 0.3);
    const rule = RULES[below(this.#random, RULES.length)] as RetentionRule;
    this.#asker.ask(
      (replica) => {
        const before = Math.max(0, replica.highWatermark - 20);
        logStart.ordered(isRule ? Infinity : before);
        return isRule ? replica.setRetention(rule) : replica.deleteBefore(before);
      },
      () => undefined,
      1,
    );
  }
}
