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

/** One open file. It keeps the file that was opened, whatever becomes of the name. */
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
    return this.#home.queue.perform({
      kind: "read",
      path: this.path,
      position,
      bytes: into.length,
      run: (effect) => {
        const length = readView(this.stored.volatile, into, position);
        if (effect !== undefined && length > 0) this.#flip(into.subarray(0, length), effect);
        return length;
      },
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#assertOpen();
    return this.#home.queue.perform({
      kind: "write",
      path: this.path,
      position,
      bytes: bytes.length,
      run: (effect) => {
        this.#assertWritable("write");
        if (effect === undefined) this.#writeNow(this.stored, bytes, position);
        else this.#writeWrongly(effect, bytes, position);
      },
      runPart: (keep) => {
        this.#writeNow(this.stored, bytes.subarray(0, keep), position);
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
        this.#assertWritable("ftruncate");
        this.stored.truncate(length, this.#home.nextSequence());
      },
    });
  }

  sync(): Promise<void> {
    this.#assertOpen();
    let sync: SyncInFlight | undefined;
    return this.#home.queue.perform({
      kind: "sync",
      path: this.path,
      begin: () => {
        sync = this.stored.beginSync(this.#home.lastSequence());
      },
      run: (effect) => {
        assert(sync !== undefined, "a sync has begun before it ends");
        if (effect === undefined) this.stored.endSync(sync);
        else this.stored.failSync(sync, "keep" in effect ? (effect.keep ?? 0) : 0);
      },
    });
  }

  size(): Promise<number> {
    this.#assertOpen();
    return this.#home.queue.perform({
      kind: "size",
      path: this.path,
      run: () => this.stored.volatile.length,
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
      run: () => undefined,
    });
  }

  #writeNow(file: StoredFile, bytes: Uint8Array, position: number): void {
    const room = this.#room(file, bytes.length, position);
    file.write(bytes.subarray(0, room), position, this.#home.nextSequence());
    if (room < bytes.length) throw diskError("ENOSPC", "write", this.path);
  }

  /** How many of the bytes fit: a hole needs a free page, a page that is there does not. */
  #room(file: StoredFile, length: number, position: number): number {
    let free = this.#home.freePages();
    if (free === Infinity) return length;
    let at = position;
    while (at < position + length) {
      const number = Math.floor(at / PAGE_BYTES);
      if (file.volatile.pages[number] === undefined && --free < 0) break;
      at = (number + 1) * PAGE_BYTES;
    }
    return Math.min(length, Math.max(0, at - position));
  }

  #writeWrongly(effect: Effect, bytes: Uint8Array, position: number): void {
    if ("forget" in effect) return;
    if ("misdirect" in effect) {
      const { path, position: elsewhere } = effect.misdirect;
      const target = path === undefined ? this.stored : this.#home.fileAt(path);
      this.#writeNow(target, bytes, elsewhere);
      return;
    }
    const copy = bytes.slice();
    this.#flip(copy, effect);
    this.#writeNow(this.stored, copy, position);
  }

  #flip(bytes: Uint8Array, effect: Effect): void {
    assert("flipBit" in effect, "this effect is not for this kind of call");
    const bits = bytes.length * 8;
    const bit = effect.flipBit === "random" ? this.#home.draw(bits) : effect.flipBit;
    const at = Math.floor(bit / 8);
    if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << (bit % 8));
  }

  #assertOpen(): void {
    assert(!this.#isClosed, `${this.path} is open`);
  }

  #assertWritable(call: string): void {
    if (!this.#writable) throw diskError("EBADF", call, this.path);
  }
}
