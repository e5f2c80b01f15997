import { diskError } from "./faults.ts";
import { StoredFile } from "./stored-file.ts";

/** A directory: the names every process sees, and those that outlive a power cut for certain. */
export interface Directory {
  readonly kind: "directory";
  readonly names: Map<string, Node>;
  readonly durableNames: Map<string, Node>;
}

export type Node = StoredFile | Directory;

/** One name set (`node`) or removed (`undefined`) in one directory. */
export interface NameChange {
  readonly directory: Directory;
  readonly name: string;
  readonly node: Node | undefined;
}

/** A change of names that no directory sync has made durable: kept or lost as a whole. */
export interface DirectoryOperation {
  readonly kind: "create" | "makeDirectory" | "rename" | "unlink";
  readonly path: string;
  readonly changes: readonly NameChange[];
  /** A sync of the directory failed: later ones have nothing left to do for it. */
  readonly lost: boolean;
}

export function newDirectory(): Directory {
  return { kind: "directory", names: new Map(), durableNames: new Map() };
}

/** The names of a disk, and which of their changes are still only in memory. */
export class Tree {
  readonly root: Directory;
  pending: DirectoryOperation[];
  /** Counts the changes of bytes, over all files: their order. */
  sequence = 0;

  constructor(root: Directory = newDirectory(), pending: DirectoryOperation[] = []) {
    this.root = root;
    this.pending = pending;
  }

  find(path: string, call: string): Node {
    let node: Node = this.root;
    for (const part of partsOf(path)) {
      if (node.kind !== "directory") throw diskError("ENOTDIR", call, path);
      const next = node.names.get(part);
      if (next === undefined) throw diskError("ENOENT", call, path);
      node = next;
    }
    return node;
  }

  findDirectory(path: string, call: string): Directory {
    const node = this.find(path, call);
    if (node.kind !== "directory") throw diskError("ENOTDIR", call, path);
    return node;
  }

  findFile(path: string, call: string): StoredFile {
    const node = this.find(path, call);
    if (node.kind !== "file") throw diskError("EISDIR", call, path);
    return node;
  }

  /** The node of that name, if there is one. */
  peek(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const part of partsOf(path)) {
      node = node?.kind === "directory" ? node.names.get(part) : undefined;
    }
    return node;
  }

  create(path: string): StoredFile {
    const { directory, name } = this.#place(path, "open");
    const file = new StoredFile();
    this.#change("create", path, [{ directory, name, node: file }]);
    return file;
  }

  makeDirectory(path: string): void {
    let directory = this.root;
    let made = "";
    for (const name of partsOf(path)) {
      made += `/${name}`;
      const there = directory.names.get(name);
      if (there === undefined) {
        const node = newDirectory();
        this.#change("makeDirectory", made, [{ directory, name, node }]);
        directory = node;
      } else if (there.kind === "directory") {
        directory = there;
      } else {
        throw diskError(
          made === `/${partsOf(path).join("/")}` ? "EEXIST" : "ENOTDIR",
          "mkdir",
          path,
        );
      }
    }
  }

  /** Returns the file whose name was taken over, if there was one. */
  rename(from: string, to: string): StoredFile | undefined {
    const node = this.find(from, "rename");
    const source = this.#place(from, "rename");
    const target = this.#place(to, "rename");
    const replaced = target.directory.names.get(target.name);
    if (replaced === node) return undefined;
    if (replaced !== undefined) {
      if (replaced.kind === "directory" && node.kind === "file") {
        throw diskError("EISDIR", "rename", from);
      }
      if (replaced.kind === "file" && node.kind === "directory") {
        throw diskError("ENOTDIR", "rename", from);
      }
      if (replaced.kind === "directory" && replaced.names.size > 0) {
        throw diskError("ENOTEMPTY", "rename", from);
      }
    }
    this.#change("rename", from, [
      { ...source, node: undefined },
      { ...target, node },
    ]);
    return replaced?.kind === "file" ? replaced : undefined;
  }

  unlink(path: string): StoredFile {
    const file = this.findFile(path, "unlink");
    this.#change("unlink", path, [{ ...this.#place(path, "unlink"), node: undefined }]);
    return file;
  }

  /** The operations that a directory sync, called now, has to make durable. */
  unsyncedIn(path: string): DirectoryOperation[] {
    const directory = this.peek(path);
    return this.pending.filter(
      (operation) =>
        !operation.lost && operation.changes.some((change) => change.directory === directory),
    );
  }

  makeDurable(operations: readonly DirectoryOperation[]): void {
    if (operations.length === 0) return;
    const done = new Set(operations);
    for (const operation of this.pending) {
      if (done.has(operation)) applyDurably(operation);
    }
    this.pending = this.pending.filter((operation) => !done.has(operation));
  }

  markLost(operations: readonly DirectoryOperation[]): void {
    const failed = new Set(operations);
    this.pending = this.pending.map((operation) =>
      failed.has(operation) ? { ...operation, lost: true } : operation,
    );
  }

  /** The same names over copies of the same files. */
  clone(): Tree {
    const copies = new Map<Node, Node>();
    const copyOf = (node: Node): Node => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      if (node.kind === "file") {
        const file = node.clone();
        copies.set(node, file);
        return file;
      }
      const copy = newDirectory();
      copies.set(node, copy);
      for (const [name, child] of node.names) copy.names.set(name, copyOf(child));
      for (const [name, child] of node.durableNames) copy.durableNames.set(name, copyOf(child));
      return copy;
    };
    const pending = this.pending.map((operation) => ({
      ...operation,
      changes: operation.changes.map(({ directory, name, node }) => ({
        directory: copyOf(directory) as Directory,
        name,
        node: node === undefined ? undefined : copyOf(node),
      })),
    }));
    const tree = new Tree(copyOf(this.root) as Directory, pending);
    tree.sequence = this.sequence;
    return tree;
  }

  #place(path: string, call: string): { directory: Directory; name: string } {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw diskError("EISDIR", call, path);
    let directory: Node = this.root;
    for (const part of parts) {
      const next: Node | undefined = directory.names.get(part);
      if (next === undefined) throw diskError("ENOENT", call, path);
      if (next.kind !== "directory") throw diskError("ENOTDIR", call, path);
      directory = next;
    }
    return { directory, name };
  }

  #change(kind: DirectoryOperation["kind"], path: string, changes: readonly NameChange[]): void {
    for (const { directory, name, node } of changes) setName(directory.names, name, node);
    this.pending.push({ kind, path, changes, lost: false });
  }
}

/** Every file below a directory, by the durable or the volatile names, each once. */
export function filesBelow(directory: Directory, names: "names" | "durableNames"): StoredFile[] {
  const files = new Set<StoredFile>();
  const visit = (node: Node): void => {
    if (node.kind === "file") files.add(node);
    else for (const child of node[names].values()) visit(child);
  };
  visit(directory);
  return [...files];
}

export function applyDurably(operation: DirectoryOperation): void {
  for (const { directory, name, node } of operation.changes) {
    setName(directory.durableNames, name, node);
  }
}

function setName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
