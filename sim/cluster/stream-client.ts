import { below, ProglogError, type AppendStream, type Random } from "../../src/base/index.ts";
import { outcomeOf } from "../replica/asker.ts";
import type { World } from "../world/index.ts";
import type { Recorder } from "../workload/recorder.ts";
import type { Fleet } from "./fleet.ts";
import type { Doors, Host } from "./host.ts";

const EVERY_MS = 2_000;
const LENGTH_MAX = 8;
/** Between two of them, at most: all at once, as they come, or longer than an election takes. */
const GAPS_MS_MAX = [0, 60, 900];
/** No answer for so long: nobody knows. */
const PATIENCE_MS = 4_000;

/**
 * Appends without waiting for answers, all of one stream at one server: what of them is in the log is a
 * beginning of the stream, in its order. It goes on sending when one has failed, which a server has to
 * refuse.
 */
export class StreamClient {
  readonly #world: World;
  readonly #fleet: Fleet;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #name: string;
  #streams = 0;
  #isStopped = false;

  constructor(world: World, fleet: Fleet, recorder: Recorder, name: string) {
    this.#world = world;
    this.#fleet = fleet;
    this.#recorder = recorder;
    this.#name = name;
    this.#random = world.random(`streams ${name}`);
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #later(): void {
    this.#world.after(below(this.#random, EVERY_MS), () => {
      if (this.#isStopped) return;
      const { machines } = this.#fleet;
      const host = this.#fleet.host(machines[below(this.#random, machines.length)] as number);
      if (host.doors !== undefined) this.#begin(host, host.doors);
      this.#later();
    });
  }

  #begin(host: Host, doors: Doors): void {
    const stream: AppendStream = {};
    const name = `${this.#name}.${++this.#streams}`;
    const length = 2 + below(this.#random, LENGTH_MAX);
    const gapMsMax = GAPS_MS_MAX[below(this.#random, GAPS_MS_MAX.length)] ?? 0;
    let at = 0;
    for (let position = 0; position < length; position++) {
      at += below(this.#random, gapMsMax + 1);
      this.#world.after(at, () => {
        // It ends with the process that it went to.
        host.call((now) => {
          if (now === doors) this.#send(doors, stream, `${name}#${position}`);
        }, true);
      });
    }
  }

  #send({ log }: Doors, stream: AppendStream, value: string): void {
    const recorder = this.#recorder;
    const invokedAt = recorder.moment();
    let isOpen = true;
    const told = (outcome: Parameters<typeof outcomeOf>[0]): void => {
      if (!isOpen) return;
      isOpen = false;
      cancel();
      recorder.append(value, invokedAt, outcomeOf(outcome));
    };
    const cancel = this.#world.after(PATIENCE_MS, () => told({ failed: "timeout" }));
    log.append({ value: new TextEncoder().encode(value) }, { stream }).then(
      (answer) => told({ value: answer }),
      (error: unknown) => {
        if (!(error instanceof ProglogError)) throw error;
        told({ failed: error });
      },
    );
  }
}
