import type { Lab } from "./lab.ts";
import type { Watch } from "./watch.ts";
import { readDirectory } from "./segment-reader.ts";

/**
 * Where disks were touched. What is acknowledged is on a majority of disks; so no second one is touched
 * before the first holds again all that it should: until then the loss would be ours, and not a fault
 * that anybody could bear.
 */
export class Atlas {
  readonly #lab: Lab;
  readonly #watch: Watch;
  #touched: number | undefined;
  /** What there was when the touch ended. */
  #index: number | undefined;

  constructor(lab: Lab, watch: Watch) {
    this.#lab = lab;
    this.#watch = watch;
  }

  /** Whose disk was touched and is not known to be whole again. */
  get touched(): number | undefined {
    return this.#touched;
  }

  touch(at: number): void {
    if (this.#touched !== undefined && this.#touched !== at) {
      throw new Error(`disk ${at} may not be touched: ${this.#touched} is not whole yet`);
    }
    this.#touched = at;
    this.#index = undefined;
  }

  /** Whether a disk may be touched now. Looks into the files of the one that was touched last. */
  isClear(): boolean {
    const at = this.#touched;
    if (at === undefined) return true;
    this.#index ??= this.#watch.commitIndex();
    if (this.#index === undefined || !this.#watch.hasCaughtUp(at, this.#index)) return false;
    if (readDirectory(this.#lab.place(at).dataDir).damage.length > 0) return false;
    this.#touched = undefined;
    return true;
  }
}
