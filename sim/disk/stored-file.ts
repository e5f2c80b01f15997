import {
  copyView,
  newOwner,
  PAGE_BYTES,
  resizeView,
  writeView,
  type Owner,
  type Page,
  type View,
} from "./pages.ts";

/** A change that is not durable yet, in the order of the whole disk's changes. */
export interface UnsyncedChange {
  sequence: number;
  /** Where a write began; where a truncation cut. */
  readonly position: number;
  /** 0 for a truncation. */
  bytes: number;
}

/** What one `fdatasync` has to make durable: the state when it was called, nothing later. */
export interface SyncInFlight {
  readonly pages: ReadonlyMap<number, Page | undefined>;
  readonly length: number;
  readonly floor: number;
  readonly lastSequence: number;
}

/**
 * One file as the operating system holds it. The *volatile* view is the page cache: what every
 * process reads, and what outlives a killed one. The *durable* view is what certainly outlives a
 * power cut. Between them stand the dirty pages, of which a power cut keeps any subset.
 *
 * A failed sync leaves its pages *clean but not written* (`lost`), as Linux does: the next sync has
 * nothing to do for them and succeeds.
 */
export class StoredFile {
  readonly kind = "file";
  volatile: View = { length: 0, pages: [] };
  durable: View = { length: 0, pages: [] };
  /** Pages written since the last sync was called. */
  dirty: Set<number> = new Set();
  /** Pages whose sync failed and that were not written again. */
  lost: Set<number> = new Set();
  unsynced: UnsyncedChange[] = [];
  /** Pages that hold bytes; holes cost nothing. */
  allocatedPages = 0;
  /** The lowest length since the last sync was called: how deep a truncation went. */
  #floor = 0;
  #syncs: SyncInFlight[] = [];
  #owner: Owner = newOwner();

  /** A file that has these bytes, durably. The view is taken over. */
  static holding(view: View): StoredFile {
    const file = new StoredFile();
    file.volatile = view;
    file.durable = copyView(view);
    file.#floor = view.length;
    file.#countPages();
    return file;
  }

  /** The same file on another disk; from here on both copy pages before they write to them. */
  clone(): StoredFile {
    const file = new StoredFile();
    file.volatile = copyView(this.volatile);
    file.durable = copyView(this.durable);
    file.dirty = this.#unsyncedPages();
    file.lost = new Set(this.lost);
    file.unsynced = this.unsynced.map((change) => ({ ...change }));
    file.allocatedPages = this.allocatedPages;
    file.#floor = this.floor;
    this.#owner = newOwner();
    return file;
  }

  /** The lowest length that no finished sync covers. */
  get floor(): number {
    return this.#syncs.reduce((floor, sync) => Math.min(floor, sync.floor), this.#floor);
  }

  /** Pages of which a power cut may keep either side. */
  doubtfulPages(): Set<number> {
    const pages = this.#unsyncedPages();
    for (const number of this.lost) pages.add(number);
    return pages;
  }

  write(bytes: Uint8Array, position: number, sequence: number): void {
    if (bytes.length === 0) return;
    this.allocatedPages += writeView(this.volatile, this.#owner, bytes, position);
    const last = Math.floor((position + bytes.length - 1) / PAGE_BYTES);
    for (let number = Math.floor(position / PAGE_BYTES); number <= last; number++) {
      this.dirty.add(number);
      if (this.lost.size > 0) this.lost.delete(number);
    }
    const before = this.unsynced.at(-1);
    if (before?.sequence === sequence - 1 && this.#continues(before, position)) {
      // Consecutive appends are one run of bytes; the number moves on so that the next may join.
      before.sequence = sequence;
      before.bytes += bytes.length;
    } else {
      this.unsynced.push({ sequence, position, bytes: bytes.length });
    }
  }

  truncate(length: number, sequence: number): void {
    resizeView(this.volatile, this.#owner, length);
    const kept = Math.ceil(length / PAGE_BYTES);
    for (const number of [...this.dirty, ...this.lost]) {
      if (number < kept) continue;
      this.dirty.delete(number);
      this.lost.delete(number);
    }
    if (length % PAGE_BYTES > 0 && this.volatile.pages[kept - 1] !== undefined) {
      this.dirty.add(kept - 1);
      this.lost.delete(kept - 1);
    }
    this.#floor = Math.min(this.#floor, length);
    this.unsynced.push({ sequence, position: length, bytes: 0 });
    this.#countPages();
  }

  /** The moment `fdatasync` is called: what is written later is the next one's. */
  beginSync(lastSequence: number): SyncInFlight {
    // Pages that an earlier sync is still writing are waited for, as they are now.
    const pages = new Map<number, Page | undefined>();
    for (const number of this.#unsyncedPages()) pages.set(number, this.volatile.pages[number]);
    const sync = { pages, length: this.volatile.length, floor: this.floor, lastSequence };
    this.#syncs.push(sync);
    this.dirty.clear();
    this.#floor = this.volatile.length;
    this.#owner = newOwner();
    return sync;
  }

  /** The kernel writes dirty pages when it likes, and tells nobody. */
  writeBack(lastSequence: number): void {
    this.endSync(this.beginSync(lastSequence));
  }

  endSync(sync: SyncInFlight): void {
    const at = this.#syncs.indexOf(sync);
    if (at < 0) return; // A later sync ended first, and carried this one's pages.
    this.#syncs.splice(0, at + 1);
    this.#forget(sync);
    if (sync.floor < this.durable.length) resizeView(this.durable, newOwner(), sync.floor);
    for (const [number, page] of sync.pages) this.#makeDurable(number, page);
    this.durable.length = sync.length;
  }

  /** The pages count as clean all the same. The first `writtenPages` of them reached the disk. */
  failSync(sync: SyncInFlight, writtenPages: number): void {
    const at = this.#syncs.indexOf(sync);
    if (at < 0) return;
    this.#syncs.splice(at, 1);
    if (this.#syncs.length === 0) this.#forget(sync);
    const waitedFor = this.#unsyncedPages();
    const numbers = [...sync.pages.keys()].sort((a, b) => a - b);
    for (const number of numbers.slice(0, writtenPages)) {
      this.#makeDurable(number, sync.pages.get(number));
      const end = Math.min(sync.length, (number + 1) * PAGE_BYTES);
      this.durable.length = Math.max(this.durable.length, end);
    }
    for (const number of numbers.slice(writtenPages)) {
      if (!waitedFor.has(number)) this.lost.add(number);
    }
    // Lengths live in the file system's journal, not in the pages: the next sync carries them.
    this.#floor = Math.min(this.#floor, sync.floor);
  }

  /** Clean pages are forgotten and read again: what a failed sync did not write is gone. */
  dropCleanPages(): void {
    for (const number of this.lost) {
      const page = this.durable.pages[number];
      if (page === undefined) Reflect.deleteProperty(this.volatile.pages, number);
      else this.volatile.pages[number] = page;
    }
    this.lost.clear();
    this.#countPages();
  }

  /** Changes the medium under everyone: both views, and nothing is dirty for it. */
  alter(change: (view: View, owner: Owner) => void): void {
    change(this.volatile, newOwner());
    change(this.durable, newOwner());
    this.#owner = newOwner();
    this.#floor = Math.min(this.#floor, this.volatile.length);
    this.#countPages();
  }

  #unsyncedPages(): Set<number> {
    const pages = new Set(this.dirty);
    for (const sync of this.#syncs) for (const number of sync.pages.keys()) pages.add(number);
    return pages;
  }

  #forget(sync: SyncInFlight): void {
    const last = this.unsynced.at(-1);
    if (last === undefined || last.sequence <= sync.lastSequence) this.unsynced.length = 0;
    else this.unsynced = this.unsynced.filter((change) => change.sequence > sync.lastSequence);
  }

  #makeDurable(number: number, page: Page | undefined): void {
    if (page === undefined) Reflect.deleteProperty(this.durable.pages, number);
    else this.durable.pages[number] = page;
  }

  #continues(before: UnsyncedChange, position: number): boolean {
    if (before.bytes === 0 || before.position + before.bytes !== position) return false;
    return this.#syncs.every((sync) => sync.lastSequence < before.sequence);
  }

  #countPages(): void {
    this.allocatedPages = 0;
    this.volatile.pages.forEach((page) => {
      if (page !== undefined) this.allocatedPages += 1;
    });
  }
}
