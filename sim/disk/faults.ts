import { assert } from "../../src/base/index.ts";

export type DiskCallKind =
  | "open"
  | "read"
  | "write"
  | "truncate"
  | "sync"
  | "size"
  | "close"
  | "list"
  | "makeDirectory"
  | "rename"
  | "unlink"
  | "syncDirectory"
  | "free";

/** One call, as it arrived. */
export interface DiskCall {
  /** From 1, over the whole disk. */
  readonly number: number;
  readonly kind: DiskCallKind;
  /** For a rename the old name. */
  readonly path: string;
  /** Where a read or write begins; the new length of a truncation; else 0. */
  readonly position: number;
  /** Bytes asked for or given; else 0. */
  readonly bytes: number;
}

const MESSAGES = {
  EACCES: "permission denied",
  EBADF: "bad file descriptor",
  EEXIST: "file already exists",
  EINVAL: "invalid argument",
  EIO: "i/o error",
  EISDIR: "illegal operation on a directory",
  EMFILE: "too many open files",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  EROFS: "read-only file system",
} as const;

export type DiskErrorCode = keyof typeof MESSAGES;

/** An error that looks like Node's: `code`, `syscall`, `path`. */
export function diskError(code: DiskErrorCode, syscall: string, path: string): Error {
  const message = `${code}: ${MESSAGES[code]}, ${syscall} '${path}'`;
  return Object.assign(new Error(message), { code, syscall, path });
}

/** Which calls are meant. What is absent does not matter. */
export interface CallMatch {
  readonly kind?: DiskCallKind | readonly DiskCallKind[];
  /** A string is the end of the path. */
  readonly path?: string | RegExp;
  /** Reads and writes that touch this byte of the file. */
  readonly touching?: number;
  /** The n-th of the matching calls from now on; 1 when absent. */
  readonly nth?: number;
  /** From then on every matching call. */
  readonly always?: boolean;
}

/** What happens to a call instead of what was asked for. */
export type Effect =
  /**
   * It fails. Of a write the first `keep` bytes are in the file all the same, of a sync the first
   * `keep` dirty pages are durable, and the other pages count as clean.
   */
  | { readonly error: DiskErrorCode; readonly keep?: number }
  /** It is never answered; of a write the first `keep` bytes get into the file. */
  | { readonly hang: true; readonly keep?: number }
  /** The bytes read, or those to be written, have this bit (of all of them) the other way round. */
  | { readonly flipBit: number | "random" }
  /** A write, reported as done, goes to another place. */
  | { readonly misdirect: { readonly position: number; readonly path?: string } }
  /** A write, or a sync, is reported as done and was not. */
  | { readonly forget: true };

export interface Injection {
  /** Calls that it happened to. */
  readonly hits: number;
  remove(): void;
}

interface Rule<T> {
  readonly match: CallMatch;
  readonly outcome: T;
  seen: number;
  hits: number;
}

/** Rules in the order they were made; the first that matches a call decides. */
export class Rules<T> {
  #rules: Rule<T>[] = [];

  add(match: CallMatch, outcome: T): Injection {
    assert(match.nth === undefined || match.nth >= 1, "calls are counted from 1");
    const rule: Rule<T> = { match, outcome, seen: 0, hits: 0 };
    this.#rules.push(rule);
    return {
      get hits(): number {
        return rule.hits;
      },
      remove: () => {
        this.#rules = this.#rules.filter((other) => other !== rule);
      },
    };
  }

  /** What a call meets. Every rule counts it; a rule for one call is used up by it. */
  take(call: DiskCall): T | undefined {
    if (this.#rules.length === 0) return undefined;
    let taken: Rule<T> | undefined;
    for (const rule of this.#rules) {
      if (!matches(rule.match, call)) continue;
      rule.seen += 1;
      const nth = rule.match.nth ?? 1;
      const due = rule.match.always === true ? rule.seen >= nth : rule.seen === nth;
      if (due) taken ??= rule;
    }
    if (taken === undefined) return undefined;
    taken.hits += 1;
    if (taken.match.always !== true) this.#rules = this.#rules.filter((rule) => rule !== taken);
    return taken.outcome;
  }
}

function matches({ kind, path, touching: at }: CallMatch, call: DiskCall): boolean {
  if (at !== undefined && (at < call.position || at >= call.position + call.bytes)) return false;
  if (typeof kind === "string" && kind !== call.kind) return false;
  if (typeof kind === "object" && !kind.includes(call.kind)) return false;
  if (path === undefined) return true;
  return typeof path === "string" ? call.path.endsWith(path) : path.test(call.path);
}
