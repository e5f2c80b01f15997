import { decodeConsumeResponse, encodeConsumeRequest } from "../../src/api/index.ts";
import { below, chance, ProglogError, type Random } from "../../src/base/index.ts";
import { consume } from "../../src/server/consume.ts";
import type { ForwardingLog } from "../../src/replica/index.ts";
import type { Holding, Sequenced, Session } from "../checkers/index.ts";
import { Asker, outcomeOf, type Outcome, type Servers } from "../replica/asker.ts";
import { Consumer } from "../replica/consumer.ts";
import { Producer } from "../replica/producer.ts";
import { sequencesIn } from "../replica/sequences.ts";
import { Recorder } from "../workload/recorder.ts";
import type { Swarm, World } from "../world/index.ts";
import type { Fleet } from "./fleet.ts";
import type { Doors } from "./host.ts";
import { StreamClient } from "./stream-client.ts";

/** So many clients in a hundred go to the server that leads; the others to any. */
const TO_LEADER = 0.3;
const RETRIES_MAX = 4;

/** Programs that append and read at any server, and write down what they were told. */
export class FleetClients {
  readonly recorder: Recorder = new Recorder();
  readonly #world: World;
  readonly #asker: Asker<Doors>;
  readonly #random: Random;
  readonly #producers: readonly Producer[];
  readonly #consumers: readonly Consumer[];
  readonly #streams: readonly StreamClient[];
  #values = 0;
  #isStopped = false;

  constructor(world: World, fleet: Fleet, swarm: Swarm) {
    this.#world = world;
    this.#random = world.random("clients");
    const doors = serversOf(fleet, (each) => each);
    this.#asker = new Asker(world, doors);
    const log = new Asker<ForwardingLog>(
      world,
      serversOf(fleet, (each) => each.log),
      TO_LEADER,
    );
    const told = { world, asker: log, recorder: this.recorder };
    this.#producers = [1, 2].map((number) => new Producer(told, `p${number}`));
    this.#consumers = [1, 2].map((number) => new Consumer(told, `c${number}`));
    this.#streams = [1, 2].map(
      (number) => new StreamClient(world, fleet, this.recorder, `s${number}`),
    );
    this.#repeat(swarm.load, () => this.#operate());
  }

  get sessions(): readonly Session[] {
    return this.#consumers.flatMap(({ sessions }) => sessions);
  }

  sequencesIn(holdings: readonly Holding[]): Sequenced[] {
    return sequencesIn(this.recorder, holdings);
  }

  stop(): void {
    this.#isStopped = true;
    for (const part of [...this.#producers, ...this.#consumers, ...this.#streams]) part.stop();
  }

  /** Appends a record, and reads it at whoever is asked: until both were done. */
  appendAndRead(done: () => void): void {
    this.#append(`v${++this.#values}`, Infinity, () => this.#readUntilDone(done));
  }

  #readUntilDone(done: () => void): void {
    const { reads } = this.recorder;
    this.#consumeOwn();
    this.#world.after(1_000, () => {
      if (this.recorder.reads > reads) done();
      else this.#readUntilDone(done);
    });
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
    if (draw < 4)
      this.#append(`v${++this.#values}`, below(this.#random, RETRIES_MAX), () => undefined);
    else if (draw < 6) this.#readTail();
    else if (draw < 8) this.#consumeAtEnd();
    else this.#consumeOwn();
  }

  #append(value: string, retries: number, done: () => void): void {
    const invokedAt = this.recorder.moment();
    const bytes = new TextEncoder().encode(value);
    this.#asker.ask(
      ({ log }) => log.append({ value: bytes }),
      (outcome) => {
        this.recorder.append(value, invokedAt, outcomeOf(outcome));
        if ("value" in outcome) done();
        else if (retries > 0) {
          const wait = retries === Infinity ? 100 : below(this.#random, 500);
          this.#world.after(wait, () => this.#append(value, retries - 1, done));
        }
      },
      TO_LEADER,
    );
  }

  #readTail(): void {
    const invokedAt = this.recorder.moment();
    this.#asker.ask(
      ({ log }) => log.readBarrier(),
      (outcome, doors) => {
        if (!("value" in outcome) || doors === undefined) return;
        this.recorder.tail(doors.log.highWatermark, invokedAt, true);
      },
      TO_LEADER,
    );
  }

  /** Asks any server for the record that comes next, as far as anybody knows, or for the last one. */
  #consumeAtEnd(): void {
    const { acknowledged } = this.recorder;
    const next = acknowledged.size === 0 ? 0 : Math.max(...acknowledged.keys()) + 1;
    const offset = Math.max(0, next - below(this.#random, 3));
    this.#consume(offset, undefined, chance(this.#random, 0.3));
  }

  /** One's own record, which whoever is asked waits for. */
  #consumeOwn(): void {
    const { acknowledged } = this.recorder;
    if (acknowledged.size === 0) return;
    const offsets = [...acknowledged.keys()].slice(-20);
    const offset = offsets[below(this.#random, offsets.length)] as number;
    this.#consume(offset, offset, false);
  }

  #consume(offset: number, minOffset: number | undefined, linearizable: boolean): void {
    const invokedAt = this.recorder.moment();
    const range = { log: "", linearizable, maxRecords: 0, maxBytes: 0 };
    const request = Buffer.from(encodeConsumeRequest({ ...range, offset, minOffset }));
    const { signal } = new AbortController();
    this.#asker.ask(
      ({ tails }) => consume(tails, request, () => signal, undefined),
      (outcome) => this.#consumed(offset, invokedAt, outcome),
      TO_LEADER,
    );
  }

  /** That there is no such record is said only of what is true everywhere. */
  #consumed(offset: number, invokedAt: number, outcome: Outcome<Buffer>): void {
    if ("value" in outcome) {
      const { value } = decodeConsumeResponse(outcome.value);
      this.recorder.read(offset, new TextDecoder().decode(value ?? undefined), invokedAt, false);
    } else if (outcome.failed instanceof ProglogError) {
      const { code, details } = outcome.failed;
      // Below the log's start there was something once.
      const isAbove = Number(details["next"] ?? 0) <= offset;
      if (code === "OFFSET_OUT_OF_RANGE" && isAbove) {
        this.recorder.read(offset, undefined, invokedAt, true);
      }
    }
  }
}

function serversOf<Served>(fleet: Fleet, of: (doors: Doors) => Served): Servers<Served> {
  const reach = (number: number): ReturnType<Servers<Served>["machine"]> => ({
    call: (action, isClient) => fleet.host(number).call((doors) => action(of(doors)), isClient),
  });
  return {
    get machines() {
      return fleet.machines;
    },
    machine: reach,
    leader: () => {
      const leader = fleet.leader();
      return leader === undefined ? undefined : reach(leader.number);
    },
  };
}
