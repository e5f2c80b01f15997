import { limits, ProglogError, systemClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import type { CommitLog } from "./commit-log.ts";
import { LinkedList } from "./linked-list.ts";
import { TailEntry } from "./tail-entry.ts";
import type { TailHost } from "./tail-entry.ts";
import { PageCache } from "./tail-page.ts";
import type { TailFormat } from "./tail-page.ts";
import { TailReads } from "./tail-reads.ts";
import { TailStream } from "./tail-stream.ts";
import type { TailOptions, TailSink } from "./tail-stream.ts";

/**
 * Everyone who waits for the end of the log, on whatever wire. One subscription wakes them; they are
 * queued, and served for at most `limits.tailTurnMs` in one turn of the event loop, after the input
 * and output of that turn, so that ten thousand readers of one record delay nobody else. A record is
 * encoded once for all readers of the same format, and read once for all who stand at one place.
 */
export class Tails implements TailHost {
  readonly log: CommitLog;
  readonly reads: TailReads;
  readonly #clock: Clock;
  readonly #runSoon: (task: () => void) => void;
  readonly #unsubscribe: () => void;
  readonly #waiting = new LinkedList<TailEntry>();
  readonly #ready = new LinkedList<TailEntry>();
  readonly #held = new LinkedList<TailEntry>();
  readonly #formats = new Map<TailFormat, { cache: PageCache; streams: number }>();
  #count = 0;
  #scheduled = false;
  #turnEndsAt = 0;
  #closed: ProglogError | undefined;

  /** `schedule` runs a task after the input and output of this turn. */
  constructor(
    log: CommitLog,
    clock: Clock = systemClock,
    schedule: (task: () => void) => void = (task) => void setImmediate(task),
  ) {
    this.log = log;
    this.reads = new TailReads(log);
    this.#clock = clock;
    this.#runSoon = schedule;
    this.#unsubscribe = log.onCommit(() => {
      this.#ready.takeAll(this.#waiting);
      this.#schedule();
    });
  }

  /** Streams and calls that are served here now. */
  get count(): number {
    return this.#count;
  }

  /**
   * Sends the log from `options.offset` on into the sink, until the stream is closed, reaches its
   * end, or fails. Throws `RESOURCE_EXHAUSTED` above `limits.tailWaitersMax`, and the error that the
   * tails were closed with.
   */
  follow(sink: TailSink, options: TailOptions): TailStream {
    this.#admit();
    let format = this.#formats.get(options.format);
    if (format === undefined) {
      format = { cache: new PageCache(), streams: 0 };
      this.#formats.set(options.format, format);
    }
    format.streams += 1;
    const stream = new TailStream(this, format.cache, sink, options);
    this.ready(stream);
    return stream;
  }

  /** Resolves once the record at `offset` can be read. */
  async waitFor(offset: number, signal?: AbortSignal): Promise<void> {
    if (offset < this.log.highWatermark) return;
    signal?.throwIfAborted();
    this.#admit();
    await new Promise<void>((resolve, reject) => {
      this.wait(new OffsetWaiter(this, { offset, signal, resolve, reject }));
    });
  }

  /** Ends everyone with this error, and refuses whoever comes later. */
  close(error: ProglogError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#unsubscribe();
    for (const list of [this.#waiting, this.#ready, this.#held]) {
      for (let entry = list.shift(); entry !== undefined; entry = list.shift()) entry.fail(error);
    }
  }

  // What follows is for the entries (`TailHost`).

  wait(entry: TailEntry): void {
    this.#waiting.push(entry);
  }

  ready(entry: TailEntry): void {
    this.#ready.push(entry);
    this.#schedule();
  }

  hold(entry: TailEntry): void {
    this.#held.push(entry);
  }

  forget(entry: TailEntry): void {
    entry.unlink();
    this.#count -= 1;
    if (!(entry instanceof TailStream)) return;
    const format = this.#formats.get(entry.format);
    if (format !== undefined && --format.streams === 0) this.#formats.delete(entry.format);
  }

  turnIsOver(): boolean {
    return this.#clock.monotonic() >= this.#turnEndsAt;
  }

  shares(format: TailFormat): boolean {
    return (this.#formats.get(format)?.streams ?? 0) > 1;
  }

  #admit(): void {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#count >= limits.tailWaitersMax) {
      throw new ProglogError("RESOURCE_EXHAUSTED", "too many streams follow the log");
    }
    this.#count += 1;
  }

  #schedule(): void {
    if (this.#scheduled || this.#ready.empty) return;
    this.#scheduled = true;
    this.#runSoon(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  #run(): void {
    this.#turnEndsAt = this.#clock.monotonic() + limits.tailTurnMs;
    do {
      const entry = this.#ready.shift();
      if (entry === undefined) return;
      entry.turn();
    } while (!this.turnIsOver());
    this.#schedule();
  }
}

interface OffsetWait {
  readonly offset: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: ProglogError) => void;
}

class OffsetWaiter extends TailEntry {
  readonly #tails: Tails;
  readonly #wait: OffsetWait;
  readonly #onAbort = (): void => this.fail(ProglogError.from(this.#wait.signal?.reason));

  constructor(tails: Tails, wait: OffsetWait) {
    super();
    this.#tails = tails;
    this.#wait = wait;
    wait.signal?.addEventListener("abort", this.#onAbort);
  }

  override turn(): void {
    if (this.#wait.offset >= this.#tails.log.highWatermark) {
      this.#tails.wait(this);
      return;
    }
    this.#end();
    this.#wait.resolve();
  }

  override fail(error: ProglogError): void {
    this.#end();
    this.#wait.reject(error);
  }

  #end(): void {
    this.#wait.signal?.removeEventListener("abort", this.#onAbort);
    this.#tails.forget(this);
  }
}
