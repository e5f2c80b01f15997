import { limits } from "../base/index.ts";

/** Where log lines go: a stream of Node's, or a test. */
export interface LineSink {
  write(text: string): unknown;
  /** What was written and not yet taken. */
  readonly writableLength?: number;
}

/**
 * Gathers the lines of one turn of the event loop into one write. When whoever reads them is slow, or
 * more come than anybody could read, lines are dropped and counted: logging must not stop a server.
 */
export class LineWriter {
  readonly #sink: LineSink;
  readonly #onDropped: (lines: number) => void;
  #lines: string[] = [];
  #chars = 0;
  #dropped = 0;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(sink: LineSink, onDropped: (lines: number) => void) {
    this.#sink = sink;
    this.#onDropped = onDropped;
  }

  /** Takes a whole line, its end included. */
  readonly write = (line: string): void => {
    const held = this.#chars + (this.#sink.writableLength ?? 0);
    if (held + line.length > limits.logBufferBytesMax) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#chars += line.length;
    this.#scheduled ??= setImmediate(() => this.flush());
  };

  /** Hands over what was gathered, at once. */
  flush(): void {
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const text = this.#lines.join("");
    this.#lines = [];
    this.#chars = 0;
    if (text !== "") this.#sink.write(text);
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onDropped(dropped);
  }
}
