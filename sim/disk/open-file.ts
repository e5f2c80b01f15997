import { assert } from "../../src/base/index.ts";
import type { DiskFile } from "../../src/log/index.ts";
import type { CallQueue } from "./call-queue.ts";
import { diskError, type Effect } from "./faults.ts";
import { PAGE_BYTES, readView } from "./pages.ts";
import type { StoredFile, SyncInFlight } from "./stored-file.ts";

/** What an open file needs of the disk it is on. */
export interface FileHome {
  readonly queue: CallQueue;
  /** The number of the next change of bytes on the disk. */
  nextSequence(): number;
  /** The number of the last one. */
  lastSequence(): number;
  /** Holes that may still become pages. */
  freePages(): number;
  /** A whole number in [0, n), where an effect leaves something to chance. */
  draw(n: number): number;
  /** Another file, where a misdirected write ends up. */
  fileAt(path: string): StoredFile;
  closed(file: OpenFile): void;
}

/**
 * One open file. It keeps the file that was opened, whatever becomes of the name. (Reads, writes and
 * syncs are the simulator's innermost loop: their deeds are methods, not closures with names, which
 * cost twice as much to make.)
 */
export class OpenFile implements DiskFile {
  readonly path: string;
  readonly stored: StoredFile;
  readonly #home: FileHome;
  readonly #writable: boolean;
  #isClosed = false;

  constructor(home: FileHome, stored: StoredFile, path: string, writable: boolean) {
    this.#home = home;
    this.stored = stored;
    this.path = path;
    this.#writable = writable;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    this.#assertOpen();
    const { path, stored } = this;
    const home = this.#home;
    return home.queue.perform({
      kind: "read",
      path,
      position,
      bytes: into.length,
      run(effect) {
        const length = readView(stored.volatile, into, position);
        if (effect !== undefined && length > 0) flip(into.subarray(0, length), effect, home);
        return length;
      },
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#assertOpen();
    const { path, stored } = this;
    const home = this.#home;
    const writable = this.#writable;
    return home.queue.perform({
      kind: "write",
      path,
      position,
      bytes: bytes.length,
      run(effect) {
        if (!writable) throw diskError("EBADF", "write", path);
        if (effect === undefined) writeNow(home, stored, { path, bytes, position });
        else writeWrongly(home, stored, { path, bytes, position, effect });
      },
      runPart(keep) {
        writeNow(home, stored, { path, bytes: bytes.subarray(0, keep), position });
      },
    });
  }

  sync(): Promise<void> {
    this.#assertOpen();
    const { path, stored } = this;
    const home = this.#home;
    let sync: SyncInFlight | undefined;
    return home.queue.perform({
      kind: "sync",
      path,
      begin() {
        sync = stored.beginSync(home.lastSequence());
      },
      run(effect) {
        assert(sync !== undefined, "a sync has begun before it ends");
        if (effect === undefined) stored.endSync(sync);
        else stored.failSync(sync, "keep" in effect ? (effect.keep ?? 0) : 0);
      },
    });
  }

  truncate(length: number): Promise<void> {
    this.#assertOpen();
    return this.#home.queue.perform({
      kind: "truncate",
      path: this.path,
      position: length,
      run: () => {
        if (!this.#writable) throw diskError("EINVAL", "ftruncate", this.path);
        this.stored.truncate(length, this.#home.nextSequence());
      },
    });
  }

  size(): Promise<number> {
    this.#assertOpen();
    const { path, stored } = this;
    return this.#home.queue.perform({
      kind: "size",
      path,
      run() {
        return stored.volatile.length;
      },
    });
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    return this.#home.queue.perform({
      kind: "close",
      path: this.path,
      // The handle is gone whatever `close` answers.
      begin: () => {
        this.#home.closed(this);
      },
      run: nothing,
    });
  }

  #assertOpen(): void {
    assert(!this.#isClosed, `${this.path} is open`);
  }
}

function nothing(): void {
  return;
}

interface Write {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly position: number;
}

function writeNow(home: FileHome, file: StoredFile, { path, bytes, position }: Write): void {
  const fitting = fittingBytes(home, file, bytes.length, position);
  const all = fitting === bytes.length;
  file.write(all ? bytes : bytes.subarray(0, fitting), position, home.nextSequence());
  if (!all) throw diskError("ENOSPC", "write", path);
}

/** How many of the bytes fit: a hole needs a free page, a page that is there does not. */
function fittingBytes(home: FileHome, file: StoredFile, length: number, position: number): number {
  let free = home.freePages();
  if (free === Infinity) return length;
  let at = position;
  while (at < position + length) {
    const number = Math.floor(at / PAGE_BYTES);
    if (file.volatile.pages[number] === undefined && --free < 0) break;
    at = (number + 1) * PAGE_BYTES;
  }
  return Math.min(length, at - position);
}

function writeWrongly(
  home: FileHome,
  file: StoredFile,
  { path, bytes, position, effect }: Write & { readonly effect: Effect },
): void {
  if ("forget" in effect) return;
  if ("misdirect" in effect) {
    const { path: otherPath, position: elsewhere } = effect.misdirect;
    const target = otherPath === undefined ? file : home.fileAt(otherPath);
    writeNow(home, target, { path, bytes, position: elsewhere });
    return;
  }
  const copy = bytes.slice();
  flip(copy, effect, home);
  writeNow(home, file, { path, bytes: copy, position });
}

function flip(bytes: Uint8Array, effect: Effect, home: FileHome): void {
  assert("flipBit" in effect, "this effect is not for this kind of call");
  const bit = effect.flipBit === "random" ? home.draw(bytes.length * 8) : effect.flipBit;
  const at = Math.floor(bit / 8);
  if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << (bit % 8));
}
