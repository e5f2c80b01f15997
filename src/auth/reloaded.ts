import { readFile, stat } from "node:fs/promises";
import { limits, ProglogError, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";

export interface ReloadedOptions<T> {
  /** For events: `policy` gives `policy.reloaded` and `policy.refused`. */
  readonly name: string;
  readonly paths: readonly string[];
  /** Makes something of the contents, in the order of the paths; throws when they are no good. */
  readonly load: (contents: readonly Buffer[]) => T | Promise<T>;
  readonly clock?: Clock | undefined;
  readonly observer?: Observer | undefined;
}

/** A value that changes now and then. */
export interface Current<T> {
  readonly value: T;
  /** Rises with each value. */
  readonly version: number;
  /** Calls back after each new value; the result unsubscribes. */
  onChange(listener: (value: T) => void): () => void;
}

/**
 * Something made of files, and made again when they change. They are looked at by `stat`, since
 * notifications miss what Kubernetes does (it swaps a symbolic link above the directory). A change is
 * read once it has been the same for two looks, so that files that are replaced one after another are
 * seen together; what cannot be used is told once, and the old value stays.
 */
export class Reloaded<T> implements Current<T>, Disposable {
  readonly #options: ReloadedOptions<T>;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #listeners = new Set<(value: T) => void>();
  #value: T;
  #version = 1;
  /** What the files were when they were last read, well or not. */
  #seen: string;
  #changed: string | undefined;
  #cancel: (() => void) | undefined;
  #closed = false;

  private constructor(options: ReloadedOptions<T>, value: T, seen: string) {
    this.#options = options;
    this.#observer = options.observer ?? silentObserver;
    this.#clock = options.clock ?? systemClock;
    this.#value = value;
    this.#seen = seen;
    this.#wait();
  }

  /** Rejects with `CONFIGURATION` when the files cannot be used to begin with. */
  static async open<T>(options: ReloadedOptions<T>): Promise<Reloaded<T>> {
    const seen = await signatureOf(options.paths);
    try {
      return new Reloaded(options, await readAndLoad(options), seen);
    } catch (cause) {
      throw new ProglogError("CONFIGURATION", reasonOf(cause), { cause });
    }
  }

  get value(): T {
    return this.#value;
  }

  get version(): number {
    return this.#version;
  }

  onChange(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at the files once. Never rejects for what stands in them. */
  async check(): Promise<void> {
    const signature = await signatureOf(this.#options.paths);
    if (signature === this.#seen) {
      this.#changed = undefined;
      return;
    }
    if (signature !== this.#changed) {
      this.#changed = signature;
      return;
    }
    this.#changed = undefined;
    await this.#reload(signature);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#listeners.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #reload(signature: string): Promise<void> {
    const { name, paths } = this.#options;
    let value: T;
    try {
      value = await readAndLoad(this.#options);
    } catch (caught) {
      if (this.#closed) return;
      this.#seen = signature;
      this.#observer.count(`${name}_reload_failures_total`);
      this.#observer.gauge(`${name}_reload_failed`, 1);
      const reason = reasonOf(caught);
      this.#observer.log("error", `${name}.refused`, { reason, kept: "what was in force" });
      return;
    }
    if (this.#closed) return;
    this.#seen = signature;
    this.#value = value;
    this.#version += 1;
    this.#observer.count(`${name}_reloads_total`);
    this.#observer.gauge(`${name}_reload_failed`, 0);
    this.#observer.log("info", `${name}.reloaded`, { files: paths.join(" ") });
    for (const listener of this.#listeners) listener(value);
  }

  #wait(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.after(limits.fileCheckIntervalMs, () => {
      void this.check().then(() => this.#wait());
    });
  }
}

async function readAndLoad<T>({ paths, load }: ReloadedOptions<T>): Promise<T> {
  return load(await Promise.all(paths.map(readBounded)));
}

async function readBounded(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > limits.configFileBytesMax) {
    throw new Error(`${path} has ${size} bytes, more than ${limits.configFileBytesMax}`);
  }
  return readFile(path);
}

/** Changes whenever a file does, is replaced, disappears, or comes. */
async function signatureOf(paths: readonly string[]): Promise<string> {
  const parts = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? "unreadable";
    }
  });
  return (await Promise.all(parts)).join(" ");
}

function reasonOf(caught: unknown): string {
  const { message } = ProglogError.from(caught);
  return message.replace(/\s+/g, " ").slice(0, limits.errorTextCharsMax);
}
