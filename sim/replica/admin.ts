import type { Replica } from "../../src/replica/index.ts";
import { ProglogError } from "../../src/base/index.ts";
import type { World } from "../world/index.ts";
import type { Machine } from "./machine.ts";

/** One step towards what is wanted; true when it is reached. */
type Job = { readonly what: string; step(leader: Replica): Promise<boolean> };

const EVERY_MS = 300;

/** The operator: asks the leader for changes of members, one after the other, until they are made. */
export class Admin {
  readonly #world: World;
  readonly #leader: () => Machine | undefined;
  #job: Job | undefined;

  constructor(world: World, leader: () => Machine | undefined) {
    this.#world = world;
    this.#leader = leader;
  }

  get isIdle(): boolean {
    return this.#job === undefined;
  }

  describe(): string {
    return this.#job?.what ?? "nothing";
  }

  /** A machine with an empty log becomes a voter, in place of an earlier replica of its name. */
  join(machine: Machine): void {
    const { replicaId, name } = machine;
    this.#begin({
      what: `${name} as ${replicaId} is to join`,
      step: async (leader) => {
        const { voters, votersOutgoing } = leader.status.configuration;
        if (votersOutgoing.length > 0) return false;
        if (voters.some((member) => member.replicaId === replicaId)) return true;
        await leader.members.addLearner({ replicaId, name });
        await leader.members.promote(replicaId);
        return false;
      },
    });
  }

  remove(replicaId: number): void {
    this.#begin({
      what: `${replicaId} is to be removed`,
      step: async (leader) => {
        const { voters, votersOutgoing } = leader.status.configuration;
        if (votersOutgoing.length > 0) return false;
        if (voters.every((member) => member.replicaId !== replicaId)) return true;
        await leader.members.remove(replicaId);
        return false;
      },
    });
  }

  #begin(job: Job): void {
    this.#job = job;
    this.#next();
  }

  #next(): void {
    this.#world.after(EVERY_MS, () => {
      const job = this.#job;
      if (job === undefined) return;
      this.#leader()?.call((leader) => {
        job.step(leader).then(
          (isDone) => {
            if (isDone && this.#job === job) this.#job = undefined;
          },
          (error: unknown) => {
            if (!(error instanceof ProglogError)) throw error;
          },
        );
      }, true);
      this.#next();
    });
  }
}
