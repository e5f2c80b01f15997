import type { Disk, DiskFile } from "./disk.ts";

interface Slot {
  readonly file: Promise<DiskFile>;
  users: number;
}

/**
 * Files open for reading, the least recently used closed first, so that a log of thousands of
 * segments does not run out of descriptors. A file in use is never closed.
 */
export class FilePool {
  readonly #disk: Disk;
  readonly #openMax: number;
  /** In the order of their last use. */
  readonly #slots = new Map<string, Slot>();

  constructor(disk: Disk, openMax: number) {
    this.#disk = disk;
    this.#openMax = openMax;
  }

  async use<T>(path: string, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const slot = this.#slots.get(path) ?? { file: this.#disk.open(path, "read"), users: 0 };
    this.#slots.delete(path);
    this.#slots.set(path, slot);
    slot.users++;
    try {
      return await work(await slot.file);
    } catch (error) {
      if (this.#slots.get(path) === slot) this.#slots.delete(path);
      throw error;
    } finally {
      slot.users--;
      if (slot.users === 0 && this.#slots.get(path) !== slot) await closeQuietly(slot);
      await this.#evict();
    }
  }

  /** Lets go of a file that was removed or replaced; its readers finish on the old one. */
  async forget(path: string): Promise<void> {
    const slot = this.#slots.get(path);
    if (slot === undefined) return;
    this.#slots.delete(path);
    if (slot.users === 0) await closeQuietly(slot);
  }

  async close(): Promise<void> {
    for (const path of [...this.#slots.keys()]) await this.forget(path);
  }

  async #evict(): Promise<void> {
    for (const [path, slot] of this.#slots) {
      if (this.#slots.size <= this.#openMax) return;
      if (slot.users === 0) await this.forget(path);
    }
  }
}

/** A file opened for reading has nothing to lose when closing it fails. */
async function closeQuietly(slot: Slot): Promise<void> {
  await slot.file.then((file) => file.close()).catch(() => undefined);
}
