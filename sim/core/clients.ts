import { below, chance, type Random } from "../../src/base/index.ts";
import type { World } from "../world/index.ts";
import { Recorder } from "../workload/recorder.ts";
import type { CoreCluster } from "./cluster.ts";
import type { CoreReplica } from "./replica.ts";

/** No answer for so long: nobody knows. */
const PATIENCE_MS = 2_000;

/** Clients without a network of their own: each operation is put to a replica at random. */
export class CoreClients {
  readonly recorder: Recorder = new Recorder();
  readonly #world: World;
  readonly #cluster: CoreCluster;
  readonly #random: Random;
  readonly #perSecond: number;
  #values = 0;
  #attempts = 0;
  #stopped = false;

  constructor(world: World, cluster: CoreCluster, perSecond: number) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = world.random("clients");
    this.#perSecond = perSecond;
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** One more append, tried until it is answered; for the end of a run. */
  appendUntilDone(done: () => void): void {
    this.#append(`v${++this.#values}`, Infinity, done);
  }

  #next(): void {
    const u = (1 + below(this.#random, 1 << 20)) / (1 << 20);
    this.#world.after((-Math.log(u) * 1_000) / this.#perSecond, () => {
      if (this.#stopped) return;
      this.#operate();
      this.#next();
    });
  }

  #operate(): void {
    const draw = below(this.#random, 10);
    if (draw < 5) this.#append(`v${++this.#values}`, below(this.#random, 4), () => undefined);
    else if (draw < 8) this.#read();
    else this.#readStale();
  }

  #machine(): number {
    const { machines } = this.#cluster;
    return machines[below(this.#random, machines.length)] as number;
  }

  #append(value: string, retries: number, done: () => void): void {
    const invokedAt = this.recorder.moment();
    const attempt = ++this.#attempts;
    let open = true;
    const finish = (outcome: number | "fail" | "info"): void => {
      if (!open) return;
      open = false;
      this.recorder.append(value, invokedAt, outcome);
      if (typeof outcome === "number") done();
      else if (retries > 0) {
        const wait = retries === Infinity ? 100 : below(this.#random, 500);
        this.#world.after(wait, () => this.#append(value, retries - 1, done));
      }
    };
    this.#world.after(PATIENCE_MS, () => finish("info"));
    this.#cluster.at(
      this.#machine(),
      (replica) => {
        replica.attempts.set(attempt, { applied: finish });
        if (replica.propose({ value, attempt }) === "refused") {
          replica.attempts.delete(attempt);
          finish("fail");
        }
      },
      true,
    );
  }

  #read(): void {
    const invokedAt = this.recorder.moment();
    const tail = chance(this.#random, 0.5);
    let open = true;
    this.#world.after(PATIENCE_MS, () => (open = false));
    this.#cluster.at(
      this.#machine(),
      (replica) => {
        replica.readIndex(() => {
          if (!open) return;
          open = false;
          this.#answer(replica, invokedAt, true, tail);
        });
      },
      true,
    );
  }

  #readStale(): void {
    const invokedAt = this.recorder.moment();
    this.#cluster.at(this.#machine(), (replica) =>
      this.#answer(replica, invokedAt, false, chance(this.#random, 0.3)),
    );
  }

  #answer(replica: CoreReplica, invokedAt: number, linearizable: boolean, tail: boolean): void {
    const { values } = replica;
    if (tail) this.recorder.tail(values.length, invokedAt, linearizable);
    else {
      // Near the end, where things happen.
      const offset = Math.max(0, values.length + 1 - below(this.#random, 8));
      this.recorder.read(offset, values[offset], invokedAt, linearizable);
    }
  }
}
