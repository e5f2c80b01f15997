import { below, type Random } from "../../src/base/index.ts";
import type { Session } from "../checkers/index.ts";
import type { World } from "../world/index.ts";
import type { Recorder } from "../workload/recorder.ts";
import type { Asker, ClientParts, ServedLog } from "./asker.ts";
import { recordsIn } from "./drain.ts";

const EVERY_MS = 400;
const READ_BYTES = 4_096;

/** Follows the log from any replica, and goes on elsewhere at the next offset. */
export class Consumer {
  readonly sessions: {
    readonly consumer: string;
    readonly from: number;
    readonly offsets: number[];
  }[];
  readonly #world: World;
  readonly #asker: Asker<ServedLog>;
  readonly #recorder: Recorder;
  readonly #name: string;
  readonly #random: Random;
  #next = 0;
  #isStopped = false;

  constructor({ world, asker, recorder }: ClientParts, name: string) {
    this.#world = world;
    this.#asker = asker;
    this.#recorder = recorder;
    this.#name = name;
    this.#random = world.random(`consumer ${name}`);
    this.sessions = [{ consumer: name, from: 0, offsets: [] }];
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #later(): void {
    this.#world.after(below(this.#random, EVERY_MS), () => {
      if (!this.#isStopped) this.#read();
    });
  }

  #read(): void {
    const recorder = this.#recorder;
    const invokedAt = recorder.moment();
    const from = this.#next;
    this.#asker.ask(
      (replica) => replica.read(from, READ_BYTES),
      (outcome, replica) => {
        if ("value" in outcome) {
          for (const { offset, value } of recordsIn(outcome.value, from)) {
            (this.sessions.at(-1) as Session & { offsets: number[] }).offsets.push(offset);
            recorder.read(offset, value, invokedAt, false);
            this.#next = offset + 1;
          }
        } else if (replica !== undefined && replica.lowestOffset > from) {
          // Deleted meanwhile: it begins again where the log does.
          this.#next = replica.lowestOffset;
          this.sessions.push({ consumer: this.#name, from: this.#next, offsets: [] });
        }
        this.#later();
      },
      0.2,
    );
  }
}
