import type { Writable } from "node:stream";
import { ProglogError } from "../base/index.ts";

/** Small writes are gathered up to this size, and for no longer than one turn of the event loop. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Standard output, for data only. Lines are gathered into large writes; when the reader has gone
 * (`proglog consume | head`), or what it is written to refuses it (a full disk: then `failure` says
 * so), `onClosed` is called once and later writes are dropped.
 */
export class Output {
  readonly #stream: Writable;
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #unwritten = 0;
  #drained: (() => void)[] = [];
  #closed = false;
  #failure: ProglogError | undefined;

  constructor(stream: Writable, onClosed: () => void) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#closed) return;
      this.#closed = true;
      if (error.code !== "EPIPE") this.#failure = unwritable(error);
      this.#wakeAll();
      onClosed();
    });
  }

  get failure(): ProglogError | undefined {
    return this.#failure;
  }

  /** Adds text (as UTF-8) or bytes; at once, so that many small records cost little. */
  write(data: string | Uint8Array): void {
    if (this.#closed) return;
    const part =
      typeof data === "string"
        ? Buffer.from(data)
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#parts.push(part);
    this.#partsBytes += part.length;
    if (this.#partsBytes >= CHUNK_BYTES) this.#send();
    else this.#scheduled ??= setImmediate(() => this.#send());
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  /** One line of JSON; names become `snake_case`, as in the HTTP API. */
  json(value: unknown): void {
    this.line(JSON.stringify(namesInSnakeCase(value)));
  }

  /** Whether a writer in a loop should `await flush()` before it goes on. */
  get isFull(): boolean {
    return this.#unwritten > 4 * CHUNK_BYTES;
  }

  /** Resolves when everything is with the operating system, or nobody reads any more. */
  async flush(): Promise<void> {
    this.#send();
    if (this.#unwritten === 0 || this.#closed) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #send(): void {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#partsBytes === 0 || this.#closed) return;
    const chunk = Buffer.concat(this.#parts, this.#partsBytes);
    this.#parts = [];
    this.#partsBytes = 0;
    this.#unwritten += chunk.length;
    this.#stream.write(chunk, () => {
      this.#unwritten -= chunk.length;
      if (this.#unwritten === 0) this.#wakeAll();
    });
  }

  #wakeAll(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const wake of waiting) wake();
  }
}

function unwritable(cause: Error): ProglogError {
  const message = `standard output cannot be written: ${cause.message}`;
  return new ProglogError("STORAGE_FAILED", message, { cause });
}

function namesInSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(namesInSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [inSnakeCase(name), namesInSnakeCase(field)]),
  );
}

/** `baseOffset` → `base_offset`. */
export function inSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
