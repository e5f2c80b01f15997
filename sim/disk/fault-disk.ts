import { below, type Clock, type Random } from "../../src/base/index.ts";
import type { Disk, DiskFile } from "../../src/log/index.ts";
import { CallQueue, type Hold } from "./call-queue.ts";
import { afterPowerCut, type CrashOptions } from "./crash.ts";
import { diskError, type CallMatch, type DiskCall, type Effect, type Injection } from "./faults.ts";
import { Medium } from "./medium.ts";
import { OpenFile, type FileHome } from "./open-file.ts";
import { PAGE_BYTES } from "./pages.ts";
import type { StoredFile } from "./stored-file.ts";
import { filesBelow, Tree, type DirectoryOperation } from "./tree.ts";

export interface FaultDiskOptions {
  readonly random: Random;
  /** Whose `after` completes delayed calls; without it every call completes in the next microtask. */
  readonly clock?: Clock | undefined;
  /** How long a call takes; needs a clock. */
  readonly delayMs?: ((call: DiskCall, random: Random) => number) | undefined;
  /** Bytes that fit, in pages of 4 KiB. */
  readonly capacityBytes?: number | undefined;
  /** Files open at once; beyond it `EMFILE`. */
  readonly openFilesMax?: number | undefined;
  /** Calls remembered in `calls`, at least so many and at most twice; the oldest go first. */
  readonly callsMax?: number | undefined;
}

/** An in-memory disk that does to a program what real disks do. `index.ts` tells how. */
export class FaultDisk implements Disk {
  /** Looks at the bytes and damages them, without a call. */
  readonly medium: Medium = new Medium(() => this.#tree);
  capacityBytes: number;
  openFilesMax: number;
  readonly #options: FaultDiskOptions;
  readonly #tree: Tree;
  readonly #queue: CallQueue;
  readonly #open: Set<OpenFile> = new Set();
  readonly #home: FileHome;

  constructor(options: FaultDiskOptions, tree: Tree = new Tree()) {
    this.#options = options;
    this.#tree = tree;
    this.#queue = new CallQueue(options);
    this.#queue.delayMs = options.delayMs;
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.openFilesMax = options.openFilesMax ?? Infinity;
    this.#home = {
      queue: this.#queue,
      nextSequence: () => ++tree.sequence,
      lastSequence: () => tree.sequence,
      freePages: () => this.#freePages(),
      draw: (n) => below(options.random, n),
      fileAt: (path) => tree.findFile(path, "write"),
      closed: (file) => this.#open.delete(file),
    };
  }

  /** The newest calls, in the order they arrived. */
  get calls(): readonly DiskCall[] {
    return this.#queue.calls;
  }

  /** Calls so far. */
  get callCount(): number {
    return this.#queue.callCount;
  }

  /** Resolves when a call arrived after the process had been stopped. */
  get stopped(): Promise<void> {
    return this.#queue.stopped;
  }

  /** Paths of the files that are open, as they were opened. */
  get openFiles(): string[] {
    return [...this.#open].map((file) => file.path);
  }

  /** Bytes that are taken, in pages. */
  get usedBytes(): number {
    return this.#usedPages() * PAGE_BYTES;
  }

  /** How long a call takes, from now on. */
  set delayMs(delayMs: ((call: DiskCall, random: Random) => number) | undefined) {
    this.#queue.delayMs = delayMs;
  }

  /** Called with each call before anything happens; may `clone()`. */
  set onCall(onCall: ((call: DiskCall) => void) | undefined) {
    this.#queue.onCall = onCall;
  }

  /** Lets something happen to calls. Of several rules that match, the oldest decides. */
  inject(match: CallMatch, effect: Effect): Injection {
    return this.#queue.inject(match, effect);
  }

  /** Keeps the matching call from completing until it is released. */
  hold(match: CallMatch): Hold {
    return this.#queue.hold(match);
  }

  /** The process dies with call `count + 1`: that one and all later ones are never answered. */
  stopAfter(count: number): void {
    this.#queue.stopAfter = count;
  }

  /** The same disk once more, with nothing open and no rules; this one goes on. */
  clone(): FaultDisk {
    return this.#successor(this.#tree.clone());
  }

  /**
   * The process is killed, the machine lives on: returns the disk that the next process finds, with
   * everything written so far. Calls under way may or may not have happened. This disk is dead.
   */
  kill(inFlight: "none" | "all" | "random" = "random"): FaultDisk {
    this.#queue.takeOver(inFlight);
    return this.#successor(this.#tree.clone());
  }

  /** The power is cut: returns the disk that the next start finds. This disk is dead. */
  crash(options: CrashOptions = { keep: "random" }): FaultDisk {
    this.#queue.takeOver(options.keep === "torn" ? "none" : options.keep);
    return this.#successor(afterPowerCut(this.#tree.clone(), options, this.#options.random));
  }

  open(path: string, mode: "read" | "write" | "create" | "replace"): Promise<DiskFile> {
    const openNow = this.#openNow;
    return this.#queue.perform({
      kind: "open",
      path,
      run() {
        return openNow(path, mode);
      },
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#queue.perform({
      kind: "list",
      path: directory,
      run: () => [...this.#tree.findDirectory(directory, "scandir").names.keys()],
    });
  }

  makeDirectory(directory: string): Promise<void> {
    return this.#queue.perform({
      kind: "makeDirectory",
      path: directory,
      run: () => {
        this.#tree.makeDirectory(directory);
      },
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#queue.perform({
      kind: "rename",
      path: from,
      run: () => {
        this.#tree.rename(from, to);
      },
    });
  }

  unlink(path: string): Promise<void> {
    return this.#queue.perform({
      kind: "unlink",
      path,
      run: () => {
        this.#tree.unlink(path);
      },
    });
  }

  syncDirectory(directory: string): Promise<void> {
    let operations: readonly DirectoryOperation[] = [];
    return this.#queue.perform({
      kind: "syncDirectory",
      path: directory,
      // What must become durable is what was there at the call; what comes later may miss it.
      begin: () => {
        operations = this.#tree.unsyncedIn(directory);
      },
      run: (effect) => {
        this.#tree.findDirectory(directory, "open");
        if (effect === undefined) this.#tree.makeDurable(operations);
        else this.#tree.markLost(operations);
      },
    });
  }

  free(directory: string): Promise<number> {
    return this.#queue.perform({
      kind: "free",
      path: directory,
      run: () => {
        this.#tree.findDirectory(directory, "statfs");
        return Math.min(this.#freePages() * PAGE_BYTES, Number.MAX_SAFE_INTEGER);
      },
    });
  }

  /** Made once: a closure with a name is dear, and files are opened all the time. */
  readonly #openNow = (path: string, mode: "read" | "write" | "create" | "replace"): DiskFile => {
    if (this.#open.size >= this.openFilesMax) throw diskError("EMFILE", "open", path);
    const file = new OpenFile(this.#home, this.#fileFor(path, mode), path, mode !== "read");
    this.#open.add(file);
    return file;
  };

  #fileFor(path: string, mode: "read" | "write" | "create" | "replace"): StoredFile {
    if (mode === "read" || mode === "write") return this.#tree.findFile(path, "open");
    if (this.#tree.peek(path) === undefined) return this.#tree.create(path);
    if (mode === "create") throw diskError("EEXIST", "open", path);
    const file = this.#tree.findFile(path, "open");
    file.truncate(0, ++this.#tree.sequence);
    return file;
  }

  #freePages(): number {
    if (this.capacityBytes === Infinity) return Infinity;
    return Math.max(0, Math.floor(this.capacityBytes / PAGE_BYTES) - this.#usedPages());
  }

  #usedPages(): number {
    const files = new Set<StoredFile>(filesBelow(this.#tree.root, "names"));
    for (const open of this.#open) files.add(open.stored);
    let used = 0;
    for (const file of files) used += file.allocatedPages;
    return used;
  }

  #successor(tree: Tree): FaultDisk {
    const { capacityBytes, openFilesMax } = this;
    const { delayMs } = this.#queue;
    return new FaultDisk({ ...this.#options, delayMs, capacityBytes, openFilesMax }, tree);
  }
}
