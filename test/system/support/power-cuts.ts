import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { below, seededRandom } from "../../../src/base/index.ts";
import { EngineRun } from "./engine-run.ts";
import { canMount, run } from "./mounts.ts";

/** A call of the stopped process that is in the kernel ends in this time. */
const SETTLE_MS = 50;

/** An ext4 in a file. */
class Image implements Disposable {
  readonly point: string;
  readonly #folder: string;
  #number = 0;
  #isMounted = false;

  constructor() {
    this.#folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-power-")));
    this.point = join(this.#folder, "mounted");
    mkdirSync(this.point);
    run("truncate", "-s", "48M", this.#path);
    run("mkfs.ext4", "-q", "-F", this.#path);
    this.#mount();
  }

  get outside(): string {
    return this.#folder;
  }

  /** What the disk holds at this moment is copied: what only the page cache has is not in the copy. */
  copy(): void {
    run("cp", "--sparse=always", this.#path, this.#next);
  }

  /** From now on the copy is the disk. */
  useCopy(): void {
    this.#unmount();
    rmSync(this.#path);
    this.#number++;
    this.#mount();
  }

  [Symbol.dispose](): void {
    if (this.#isMounted) this.#unmount();
    rmSync(this.#folder, { recursive: true });
  }

  get #path(): string {
    return join(this.#folder, `${this.#number}.img`);
  }
  get #next(): string {
    return join(this.#folder, `${this.#number + 1}.img`);
  }

  /** Its journal is written when somebody asks, and not in the middle of a copy. */
  #mount(): void {
    run("mount", "-o", "loop,commit=300", this.#path, this.point);
    this.#isMounted = true;
  }

  #unmount(): void {
    run("umount", this.point);
    this.#isMounted = false;
  }
}

export function canMountImages(): boolean {
  if (!canMount()) return false;
  try {
    new Image()[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}

/**
 * Cuts the power of an ext4 that a process appends to, again and again: a copy of the image, taken
 * while the process stands still, is all that is left. Answers how many records were acknowledged;
 * throws when one of them is lost.
 */
export async function cutPower(seed: number, cuts: number): Promise<number> {
  const random = seededRandom(seed);
  using image = new Image();
  const run = new EngineRun(join(image.point, "data"), join(image.outside, "said"));
  for (let cut = 1; cut <= cuts; cut++) {
    const child = run.start();
    await child.opened();
    await sleep(50 + below(random, 250));
    child.signal("SIGSTOP");
    await sleep(SETTLE_MS);
    image.copy();
    child.signal("SIGKILL");
    assert.equal(await child.ended, "SIGKILL");
    image.useCopy();
    await run.verify();
  }
  await run.verify("all");
  return run.acknowledged;
}
