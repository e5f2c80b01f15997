import { below, chance, type Random } from "../../src/base/index.ts";
import {
  copyView,
  newOwner,
  ownPage,
  PAGE_BYTES,
  readView,
  resizeView,
  writeView,
  type View,
} from "./pages.ts";
import { StoredFile } from "./stored-file.ts";
import {
  applyDurably,
  filesBelow,
  newDirectory,
  Tree,
  type Directory,
  type DirectoryOperation,
  type Node,
} from "./tree.ts";

/** What a power cut leaves of the changes that were not durable. */
export interface CrashOptions {
  /**
   * Of the bytes: `none`; `all` but those whose sync failed; `random`: any subset of blocks, some
   * torn, a length that may have grown without its bytes, junk where a block was lost; `torn`: the
   * first `at` of all unsynced bytes, in the order they were written (a byte that was written twice
   * counts twice and has its last value).
   */
  readonly keep: "none" | "all" | "random" | "torn";
  /** For `torn`: 0 … `unsyncedBytes()`. */
  readonly at?: number;
  /** For `torn`: what follows the last byte kept: nothing, or the file's new length without its bytes. */
  readonly tail?: "cut" | "zeros" | "junk";
  /**
   * Of the names: `ordered` keeps the first so many operations, as a journal does; `random` any
   * that need none that was lost; a function decides each by itself, even what no file system would
   * do. Without it `none` with `none`, `random` with `random`, else `all`.
   */
  readonly directories?:
    | "none"
    | "all"
    | "ordered"
    | "random"
    | ((operation: DirectoryOperation, number: number) => boolean);
  /** For `random`: what the device writes as a whole. 4096 when absent. */
  readonly blockBytes?: 512 | 4096;
}

/** The tree that the next start finds. Takes over `tree`, which nobody may use again. */
export function afterPowerCut(tree: Tree, options: CrashOptions, random: Random): Tree {
  keptOperations(tree.pending, options, random).forEach(applyDurably);
  const survivor = survivorOf(tree, options, random);
  const copies = new Map<Node, Node>();
  const settle = (node: Node): Node => {
    const known = copies.get(node);
    if (known !== undefined) return known;
    const copy = node.kind === "file" ? StoredFile.holding(survivor(node)) : newDirectory();
    copies.set(node, copy);
    if (node.kind === "directory" && copy.kind === "directory") {
      for (const [name, child] of node.durableNames) {
        const settled = settle(child);
        copy.names.set(name, settled);
        copy.durableNames.set(name, settled);
      }
    }
    return copy;
  };
  return new Tree(settle(tree.root) as Directory);
}

/** All files that have a name now or had one on the disk. */
export function filesOf(tree: Tree): StoredFile[] {
  const files = [...filesBelow(tree.root, "names"), ...filesBelow(tree.root, "durableNames")];
  return [...new Set(files)];
}

function keptOperations(
  pending: readonly DirectoryOperation[],
  { keep, directories }: CrashOptions,
  random: Random,
): DirectoryOperation[] {
  const mode = directories ?? (keep === "none" || keep === "random" ? keep : "all");
  if (mode === "none") return [];
  if (mode === "all") return pending.filter((operation) => !operation.lost);
  if (mode === "ordered") return pending.slice(0, below(random, pending.length + 1));
  if (mode === "random") return independentSubset(pending, random);
  return pending.filter(mode);
}

/** What touches the same name or the same file as a lost operation cannot come after it. */
function independentSubset(
  pending: readonly DirectoryOperation[],
  random: Random,
): DirectoryOperation[] {
  const lost: DirectoryOperation[] = [];
  const kept: DirectoryOperation[] = [];
  for (const operation of pending) {
    const possible = !lost.some((earlier) => depends(operation, earlier));
    (possible && chance(random, 0.5) ? kept : lost).push(operation);
  }
  return kept;
}

function depends(later: DirectoryOperation, earlier: DirectoryOperation): boolean {
  return later.changes.some((a) =>
    earlier.changes.some(
      (b) =>
        (a.directory === b.directory && a.name === b.name) ||
        (a.node !== undefined && a.node === b.node),
    ),
  );
}

function survivorOf(tree: Tree, options: CrashOptions, random: Random): (file: StoredFile) => View {
  switch (options.keep) {
    case "none":
      return (file) => file.durable;
    case "all":
      return everything;
    case "random":
      return (file) => randomSurvivor(file, options.blockBytes ?? PAGE_BYTES, random);
    case "torn": {
      const views = tornViews(filesOf(tree), options.at ?? 0, options.tail ?? "cut", random);
      return (file) => views.get(file) ?? file.durable;
    }
  }
}

function everything(file: StoredFile): View {
  const view = copyView(file.volatile);
  for (const number of file.lost) {
    const page = file.durable.pages[number];
    if (page === undefined) Reflect.deleteProperty(view.pages, number);
    else view.pages[number] = page;
  }
  return view;
}

function randomSurvivor(file: StoredFile, blockBytes: number, random: Random): View {
  const now = file.volatile;
  const view = copyView(file.durable);
  const owner = newOwner();
  const truncated = file.floor < view.length;
  const cutIsLost = truncated && chance(random, 0.5);
  if (truncated && !cutIsLost) resizeView(view, owner, file.floor);
  const oldLength = view.length;
  const length = cutIsLost ? view.length : randomLength(view.length, now.length, random);
  // With the cut, what was written beyond it is lost as well: those blocks belong to nobody.
  const end = cutIsLost ? file.floor : length;
  for (const number of file.doubtfulPages()) {
    if (number * PAGE_BYTES >= end) continue;
    const until = Math.min(end, (number + 1) * PAGE_BYTES);
    for (let at = number * PAGE_BYTES; at < until; at += blockBytes) {
      const bytes = Math.min(blockBytes, until - at);
      const kept = chance(random, 0.5) ? tornOrWhole(bytes, random) : 0;
      copyRange(now, view, owner, at, kept);
      // Only where the file is new: old bytes stay what they were until they are written.
      const lostFrom = Math.max(at + kept, oldLength);
      if (lostFrom < at + bytes && chance(random, 0.25)) {
        fillWithJunk(view, owner, lostFrom, at + bytes, random);
      }
    }
  }
  resizeView(view, owner, length);
  return view;
}

function tornOrWhole(bytes: number, random: Random): number {
  return chance(random, 0.125) ? below(random, bytes) : bytes;
}

function randomLength(before: number, now: number, random: Random): number {
  if (now <= before) return now;
  const outcome = below(random, 4);
  if (outcome === 0) return before;
  return outcome === 1 ? before + below(random, now - before + 1) : now;
}

function tornViews(
  files: readonly StoredFile[],
  at: number,
  tail: "cut" | "zeros" | "junk",
  random: Random,
): Map<StoredFile, View> {
  const owner = newOwner();
  const views = new Map(files.map((file) => [file, copyView(file.durable)]));
  const changes = files
    .flatMap((file) => file.unsynced.map((change) => ({ file, change })))
    .sort((a, b) => a.change.sequence - b.change.sequence);
  let left = at;
  for (const { file, change } of changes) {
    const view = views.get(file) as View;
    if (change.bytes === 0) {
      resizeView(view, owner, change.position);
      continue;
    }
    const kept = Math.min(left, change.bytes);
    copyRange(file.volatile, view, owner, change.position, kept);
    left -= kept;
    if (kept === change.bytes) continue;
    const end = Math.max(view.length, file.volatile.length);
    // Only where the file is new: old bytes stay what they were until they are written.
    const lostFrom = Math.max(change.position + kept, view.length);
    if (tail === "junk") fillWithJunk(view, owner, lostFrom, end, random);
    if (tail !== "cut") resizeView(view, owner, end);
    break;
  }
  return views;
}

function copyRange(from: View, to: View, owner: object, position: number, length: number): void {
  const bytes = new Uint8Array(length);
  readView(from, bytes, position);
  writeView(to, owner, bytes, position);
}

function fillWithJunk(view: View, owner: object, from: number, to: number, random: Random): void {
  for (let at = from; at < to; at++) {
    ownPage(view, owner, Math.floor(at / PAGE_BYTES))[at % PAGE_BYTES] = random.u32();
  }
  view.length = Math.max(view.length, to);
}
