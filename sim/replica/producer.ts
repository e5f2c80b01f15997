import { below, type ProducerIdentity, type Random } from "../../src/base/index.ts";
import type { World } from "../world/index.ts";
import type { Recorder } from "../workload/recorder.ts";
import { type Asker, type ClientParts, type ServedLog, outcomeOf } from "./asker.ts";

const EVERY_MS = 700;

/**
 * An idempotent producer: one record after the other, each sent with the same stamp until it is
 * answered. When somebody has taken its name over (its own earlier attempt to get one) it begins anew.
 */
export class Producer {
  readonly #world: World;
  readonly #asker: Asker<ServedLog>;
  readonly #recorder: Recorder;
  readonly #name: string;
  readonly #random: Random;
  #identity: ProducerIdentity | undefined;
  #sequence = 0;
  #isStopped = false;

  constructor({ world, asker, recorder }: ClientParts, name: string) {
    this.#world = world;
    this.#asker = asker;
    this.#recorder = recorder;
    this.#name = name;
    this.#random = world.random(`producer ${name}`);
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #later(ms: number = below(this.#random, EVERY_MS)): void {
    this.#world.after(ms, () => {
      if (this.#isStopped) return;
      if (this.#identity === undefined) this.#create();
      else this.#send(this.#identity);
    });
  }

  #create(): void {
    this.#asker.ask(
      (replica) => replica.createProducer(this.#name),
      (outcome) => {
        if ("value" in outcome) {
          this.#identity = outcome.value;
          this.#sequence = 0;
        }
        this.#later();
      },
    );
  }

  #send({ id, epoch }: ProducerIdentity): void {
    const sequence = this.#sequence;
    const value = `${this.#name}.${id}.${epoch}#${sequence}`;
    const recorder = this.#recorder;
    const invokedAt = recorder.moment();
    const bytes = new TextEncoder().encode(value);
    this.#asker.ask(
      (replica) => replica.append({ value: bytes }, { stamp: { id, epoch, sequence } }),
      (outcome) => {
        recorder.append(value, invokedAt, outcomeOf(outcome), true);
        if ("value" in outcome) this.#sequence += 1;
        else if (outcome.failed !== "timeout" && outcome.failed.code === "PRODUCER_FENCED") {
          this.#identity = undefined;
        }
        this.#later();
      },
    );
  }
}
