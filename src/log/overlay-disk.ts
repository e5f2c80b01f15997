import { assert, limits, ProglogError } from "../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";

const PAGE_BYTES = 4096;

/**
 * A disk over another one that is only read: what is written, cut, renamed or removed is so in memory
 * alone, and gone with it. A log opened through it is recovered like any other, and its files stay as
 * they are: for looking at what a crash or a failing disk has left. It is a disk for the few flat
 * folders of a log: of directories it knows names, not the errors of a tree. Writing more than
 * `limits.overlayBytesMax` is refused with `RESOURCE_EXHAUSTED`.
 */
export function overlayDisk(below: Disk): Disk {
  return new OverlayDisk(below);
}

/** One file: what is below it, as far as that is still to be seen, and the pages that were written. */
interface Layered {
  /** Where the file below is; undefined: there is none. */
  readonly belowPath: string | undefined;
  /** It, while somebody has this file open. */
  below: DiskFile | undefined;
  handles: number;
  /** The last call: they take their turns, as a page is read before it is changed. */
  turn: Promise<unknown>;
  /** So much of the file below is to be seen: cutting hides the rest for ever. */
  belowBytes: number;
  bytes: number;
  readonly pages: Map<number, Uint8Array>;
}

class OverlayDisk implements Disk {
  readonly #below: Disk;
  readonly #files = new Map<string, Layered>();
  readonly #removed = new Set<string>();
  readonly #directories = new Set<string>();
  #pageCount = 0;

  constructor(below: Disk) {
    this.#below = below;
  }

  async open(path: string, mode: "read" | "write" | "create" | "replace"): Promise<DiskFile> {
    let file = await this.#find(path);
    if (mode === "create" && file !== undefined) throw systemError("EEXIST", path);
    if (mode === "create" || mode === "replace") file = layered(undefined, 0);
    if (file === undefined) throw systemError("ENOENT", path);
    this.#files.set(path, file);
    this.#removed.delete(path);
    file.handles++;
    if (file.belowPath !== undefined) file.below ??= await this.#below.open(file.belowPath, "read");
    return new OverlayFile(file, mode !== "read", () => this.#newPage());
  }

  async list(directory: string): Promise<string[]> {
    const inside = (path: string): string | undefined => {
      const at = path.lastIndexOf("/");
      return path.slice(0, at) === directory ? path.slice(at + 1) : undefined;
    };
    let names: string[];
    try {
      names = await this.#below.list(directory);
    } catch (error) {
      if (!this.#directories.has(directory)) throw error;
      names = [];
    }
    const kept = names.filter((name) => !this.#removed.has(`${directory}/${name}`));
    const added = [...this.#files.keys(), ...this.#directories].flatMap(
      (path) => inside(path) ?? [],
    );
    return [...new Set([...kept, ...added])];
  }

  makeDirectory(directory: string): Promise<void> {
    this.#directories.add(directory);
    return Promise.resolve();
  }

  async rename(from: string, to: string): Promise<void> {
    const file = await this.#find(from);
    if (file === undefined) throw systemError("ENOENT", from);
    this.#hide(from);
    this.#files.set(to, file);
    this.#removed.delete(to);
  }

  async unlink(path: string): Promise<void> {
    if ((await this.#find(path)) === undefined) throw systemError("ENOENT", path);
    this.#hide(path);
  }

  syncDirectory(): Promise<void> {
    return Promise.resolve();
  }

  free(directory: string): Promise<number> {
    return this.#below.free(directory);
  }

  #hide(path: string): void {
    this.#files.delete(path);
    this.#removed.add(path);
  }

  async #find(path: string): Promise<Layered | undefined> {
    const known = this.#files.get(path);
    if (known !== undefined || this.#removed.has(path)) return known;
    let below: DiskFile;
    try {
      below = await this.#below.open(path, "read");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const bytes = await below.size();
    await below.close();
    return this.#files.get(path) ?? layered(path, bytes);
  }

  #newPage(): Uint8Array {
    if (++this.#pageCount * PAGE_BYTES > limits.overlayBytesMax) {
      throw new ProglogError(
        "RESOURCE_EXHAUSTED",
        `more than ${limits.overlayBytesMax} bytes would be written to a log that is only read`,
      );
    }
    return new Uint8Array(PAGE_BYTES);
  }
}

function layered(belowPath: string | undefined, bytes: number): Layered {
  return {
    belowPath,
    below: undefined,
    handles: 0,
    turn: Promise.resolve(),
    belowBytes: bytes,
    bytes,
    pages: new Map(),
  };
}

class OverlayFile implements DiskFile {
  readonly #file: Layered;
  readonly #newPage: () => Uint8Array;
  readonly #isWritable: boolean;
  #closed: Promise<void> | undefined;

  constructor(file: Layered, isWritable: boolean, newPage: () => Uint8Array) {
    this.#file = file;
    this.#isWritable = isWritable;
    this.#newPage = newPage;
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#inTurn(() => this.#read(into, position));
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#inTurn(() => this.#write(bytes, position));
  }

  truncate(length: number): Promise<void> {
    return this.#inTurn(() => {
      this.#truncate(length);
      return Promise.resolve();
    });
  }

  sync(): Promise<void> {
    return this.#inTurn(() => Promise.resolve());
  }

  size(): Promise<number> {
    return this.#inTurn(() => Promise.resolve(this.#file.bytes));
  }

  close(): Promise<void> {
    this.#closed ??= this.#file.turn.then(async () => {
      const file = this.#file;
      if (--file.handles > 0) return;
      const { below } = file;
      file.below = undefined;
      await below?.close();
    });
    return this.#closed;
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    assert(this.#closed === undefined, "a closed file is used no more");
    const result = this.#file.turn.then(call);
    this.#file.turn = result.catch(() => undefined);
    return result;
  }

  async #read(into: Uint8Array, position: number): Promise<number> {
    const file = this.#file;
    const count = Math.max(0, Math.min(into.length, file.bytes - position));
    const target = into.subarray(0, count);
    await this.#readBelow(target, position);
    if (file.pages.size === 0) return count;
    for (let at = 0; at < count;) {
      const [page, offset, length] = pageAt(position + at, count - at);
      const bytes = file.pages.get(page);
      if (bytes !== undefined) target.set(bytes.subarray(offset, offset + length), at);
      at += length;
    }
    return count;
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    const file = this.#file;
    if (!this.#isWritable) throw systemError("EBADF", "a file opened to be read");
    for (let at = 0; at < bytes.length;) {
      const [page, offset, length] = pageAt(position + at, bytes.length - at);
      const kept = file.pages.get(page) ?? (await this.#copyUp(page));
      kept.set(bytes.subarray(at, at + length), offset);
      at += length;
    }
    if (bytes.length > 0) file.bytes = Math.max(file.bytes, position + bytes.length);
  }

  #truncate(length: number): void {
    const file = this.#file;
    file.belowBytes = Math.min(file.belowBytes, length);
    for (const [page, bytes] of file.pages) {
      const start = page * PAGE_BYTES;
      if (start >= length) file.pages.delete(page);
      else if (start + PAGE_BYTES > length) bytes.fill(0, length - start);
    }
    file.bytes = length;
  }

  async #copyUp(page: number): Promise<Uint8Array> {
    const bytes = this.#newPage();
    await this.#readBelow(bytes, page * PAGE_BYTES);
    this.#file.pages.set(page, bytes);
    return bytes;
  }

  /** What is below, and zeros after its end. */
  async #readBelow(into: Uint8Array, position: number): Promise<void> {
    const { below, belowBytes } = this.#file;
    const count = Math.max(0, Math.min(into.length, belowBytes - position));
    if (count > 0) {
      assert(below !== undefined, "a file is open as long as it is read");
      const read = await below.read(into.subarray(0, count), position);
      assert(read === count, "nobody else changes a log that is being read");
    }
    into.fill(0, count);
  }
}

function pageAt(position: number, left: number): [page: number, offset: number, length: number] {
  const offset = position % PAGE_BYTES;
  return [Math.floor(position / PAGE_BYTES), offset, Math.min(left, PAGE_BYTES - offset)];
}

function systemError(code: "ENOENT" | "EEXIST" | "EBADF", path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
