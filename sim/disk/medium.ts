import { assert } from "../../src/base/index.ts";
import { bytesOf, ownPage, PAGE_BYTES, readView, resizeView, viewOf, writeView } from "./pages.ts";
import { StoredFile } from "./stored-file.ts";
import { filesOf } from "./crash.ts";
import type { DirectoryOperation, Node, Tree } from "./tree.ts";

/** Which of the two contents is meant: what processes see, or what outlives a power cut for certain. */
export type Side = "volatile" | "durable";

/**
 * A disk seen from outside the system: looked at, and damaged, without a call being made. Damage is
 * at rest: it is in the page cache as well, as if the file had been read again since.
 */
export class Medium {
  readonly #tree: () => Tree;

  constructor(tree: () => Tree) {
    this.#tree = tree;
  }

  /** A copy of a file's bytes. */
  bytes(path: string, side: Side = "volatile"): Uint8Array {
    return bytesOf(this.#file(path, side)[side]);
  }

  /** A copy of those from a position on; none past the end. */
  bytesFrom(path: string, position: number, side: Side = "volatile"): Uint8Array {
    const view = this.#file(path, side)[side];
    const bytes = new Uint8Array(Math.max(0, view.length - position));
    readView(view, bytes, position);
    return bytes;
  }

  /** Names in a directory, sorted; empty when there is none. */
  names(directory: string, side: Side = "volatile"): string[] {
    const node = this.#node(directory, side);
    if (node?.kind !== "directory") return [];
    return [...(side === "volatile" ? node.names : node.durableNames).keys()].sort();
  }

  /** The last name with that end in a directory; undefined when there is none. */
  lastName(directory: string, end: string, side: Side): string | undefined {
    const node = this.#node(directory, side);
    if (node?.kind !== "directory") return undefined;
    let last: string | undefined;
    for (const name of (side === "volatile" ? node.names : node.durableNames).keys()) {
      if ((last === undefined || name > last) && name.endsWith(end)) last = name;
    }
    return last;
  }

  has(path: string, side: Side = "volatile"): boolean {
    return this.#node(path, side) !== undefined;
  }

  /** Bytes written and not yet durable, over all files: the cut points of a `torn` crash. */
  unsyncedBytes(): number {
    let bytes = 0;
    for (const file of filesOf(this.#tree())) {
      for (const change of file.unsynced) bytes += change.bytes;
    }
    return bytes;
  }

  /** Changes of names that no directory sync has made durable, oldest first. */
  pendingDirectoryOperations(): readonly DirectoryOperation[] {
    return this.#tree().pending;
  }

  /** Puts a file there, durably, with the directories above it. */
  load(path: string, bytes: Uint8Array): void {
    const tree = this.#tree();
    const parent = path.slice(0, path.lastIndexOf("/"));
    const before = new Set(tree.pending);
    tree.makeDirectory(parent);
    if (tree.peek(path) !== undefined) tree.unlink(path);
    const directory = tree.findDirectory(parent, "open");
    const file = StoredFile.holding(viewOf(bytes));
    const name = path.slice(path.lastIndexOf("/") + 1);
    tree.makeDurable(tree.pending.filter((operation) => !before.has(operation)));
    directory.names.set(name, file);
    directory.durableNames.set(name, file);
  }

  /** Takes a file away, durably. */
  remove(path: string): void {
    const tree = this.#tree();
    const before = new Set(tree.pending);
    tree.unlink(path);
    tree.makeDurable(tree.pending.filter((operation) => !before.has(operation)));
  }

  /** Turns one bit round; bits are counted from the first byte's lowest. */
  flipBit(path: string, bit: number): void {
    const position = Math.floor(bit / 8);
    const file = this.#file(path, "volatile");
    assert(position < file.volatile.length, `bit ${bit} is within ${path}`);
    file.alter((view, owner) => {
      if (position >= view.length) return;
      const bytes = ownPage(view, owner, Math.floor(position / PAGE_BYTES));
      const inPage = position % PAGE_BYTES;
      bytes[inPage] = (bytes[inPage] as number) ^ (1 << (bit % 8));
    });
  }

  /** Puts other bytes in the place of some; the length stays. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    this.#file(path, "volatile").alter((view, owner) => {
      const room = Math.max(0, view.length - position);
      writeView(view, owner, bytes.subarray(0, room), position);
    });
  }

  /** Zeros in place of the `number`-th block of 4 KiB. */
  zeroBlock(path: string, number: number): void {
    this.overwrite(path, number * PAGE_BYTES, new Uint8Array(PAGE_BYTES));
  }

  /** Cuts a file, or grows it with zeros. */
  resize(path: string, length: number): void {
    this.#file(path, "volatile").alter((view, owner) => {
      resizeView(view, owner, length);
    });
  }

  /**
   * Dirty pages are written back, of all files, as a kernel does whenever it likes: what was written
   * before something else is durable then, and what takes it back later may be lost.
   */
  writeBack(): void {
    const tree = this.#tree();
    for (const file of filesOf(tree)) file.writeBack(tree.sequence);
  }

  /** The cache forgets its clean pages: what a failed sync did not write shows its old bytes now. */
  dropCaches(): void {
    for (const file of filesOf(this.#tree())) file.dropCleanPages();
  }

  #file(path: string, side: Side): StoredFile {
    const node = this.#node(path, side);
    assert(node?.kind === "file", `${path} is a file`);
    return node;
  }

  #node(path: string, side: Side): Node | undefined {
    let node: Node | undefined = this.#tree().root;
    for (const part of path.split("/")) {
      if (part === "") continue;
      if (node?.kind !== "directory") return undefined;
      node = (side === "volatile" ? node.names : node.durableNames).get(part);
    }
    return node;
  }
}
