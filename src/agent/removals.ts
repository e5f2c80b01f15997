import { limits, membersOf, ProglogError } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";
import type { Hello, HelloAnswer, Refused } from "../transport/index.ts";

export interface RemovalsParts {
  readonly replica: Replica;
  /** Ends the connections that a replica has dialled. */
  readonly cut: (replicaId: number) => void;
  /** This server was removed. */
  readonly onRemoved: (error: ProglogError) => void;
}

/**
 * Those who were removed from the cluster: they are told so when they come, and this server knows when
 * it is one of them. Ids are never used again, and a replica comes into the cluster only after the entry
 * that names it was committed: so whoever belongs to the cluster and takes no part was removed. Only a
 * leader may say so, after a round in which the others confirmed that it is one: an earlier leader may
 * not have heard yet of somebody who is new.
 */
export class Removals {
  readonly #parts: RemovalsParts;
  readonly #removed = new Set<number>();
  readonly #asking = new Set<number>();
  #members: ReadonlySet<number>;
  #isTold = false;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
    this.#members = this.#present();
    parts.replica.onChange(() => this.#look());
  }

  /** What stands against somebody who says hello. */
  refuses({ from: { clusterId, replicaId, name } }: Hello): Refused | undefined {
    if (clusterId === "") return undefined;
    if (this.#removed.has(replicaId)) {
      return { refusal: "removed", text: `${name} was removed from the cluster` };
    }
    if (!this.#parts.replica.isLeading || this.#members.has(replicaId)) return undefined;
    void this.#ask(replicaId);
    return { refusal: "busy", text: `it is asked whether ${name} takes part` };
  }

  /** What others say to our hello. */
  answered(answer: HelloAnswer): void {
    if (answer.kind === "refused" && answer.refusal === "removed") this.#tell();
  }

  async #ask(replicaId: number): Promise<void> {
    if (this.#asking.has(replicaId)) return;
    this.#asking.add(replicaId);
    try {
      await this.#parts.replica.readBarrier();
      if (!this.#parts.replica.isLeading || this.#members.has(replicaId)) return;
      this.#remember(replicaId);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
    } finally {
      this.#asking.delete(replicaId);
    }
  }

  #remember(replicaId: number): void {
    this.#removed.add(replicaId);
    const [oldest] = this.#removed;
    if (this.#removed.size > limits.peersLearnedMax && oldest !== undefined) {
      this.#removed.delete(oldest);
    }
  }

  #present(): ReadonlySet<number> {
    const { configuration } = this.#parts.replica.status;
    return new Set(membersOf(configuration).map(({ replicaId }) => replicaId));
  }

  #look(): void {
    const before = this.#members;
    this.#members = this.#present();
    for (const replicaId of before) {
      if (this.#members.has(replicaId)) continue;
      if (replicaId === this.#parts.replica.replicaId) this.#tell();
      // It has to say hello again, and hears why nobody speaks to it any more.
      else this.#parts.cut(replicaId);
    }
  }

  #tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const text =
      "this server was removed from its cluster, and does not come back with this data: " +
      "to let it in as a new one, empty its data directory";
    this.#parts.onRemoved(new ProglogError("REMOVED", text));
  }
}
