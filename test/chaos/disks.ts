import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { canMount, run } from "../system/support/mounts.ts";

const DISK_BYTES = 1 << 30;

/** A file system for each server, in memory where this process may mount one: that can be made full. */
export class Disks {
  readonly canFill: boolean;
  readonly folders: readonly string[];

  constructor(folder: string, count: number) {
    this.canFill = canMount();
    this.folders = Array.from({ length: count }, (_, at) => join(folder, `disk-${at}`));
    for (const each of this.folders) {
      mkdirSync(each);
      if (this.canFill) run("mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", each);
    }
  }

  /** Shrinks it to what is on it: nothing fits any more, and no memory is spent. */
  fill(at: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.#folder(at));
    this.#resize(at, Math.max(bsize, (blocks - bfree) * bsize));
  }

  empty(at: number): void {
    this.#resize(at, DISK_BYTES);
  }

  wipe(at: number): void {
    rmSync(join(this.#folder(at), "data"), { recursive: true, force: true });
  }

  close(): void {
    if (!this.canFill) return;
    for (const folder of this.folders) run("umount", "--lazy", folder);
  }

  #resize(at: number, bytes: number): void {
    run("mount", "-o", `remount,size=${bytes}`, this.#folder(at));
  }

  #folder(at: number): string {
    const folder = this.folders[at];
    if (folder === undefined) throw new Error(`there is no disk ${at}`);
    return folder;
  }
}
