import { limits, ProglogError, systemClock } from "../base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  Clock,
  Labels,
  Observer,
  ProducerIdentity,
  RecordInput,
  Span,
} from "../base/index.ts";
import type { CommitLog, ServersInfo } from "../server/index.ts";

const FROM_MEMORY: Labels = { from: "memory" };
const FROM_DISK: Labels = { from: "disk" };

/** An append of a sampled call, while it waits. */
interface TracedAppend {
  readonly span: Span;
  readonly startedAtMs: number;
}

/** A commit log that tells what is asked of it and how long the answers take. */
export class ObservedLog implements CommitLog {
  readonly name: string;
  readonly #log: CommitLog;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #traced = new Set<TracedAppend>();
  #appendsInFlight = 0;

  constructor(log: CommitLog, observer: Observer, clock: Clock = systemClock) {
    this.name = log.name;
    this.#log = log;
    this.#observer = observer;
    this.#clock = clock;
  }

  get appendsInFlight(): number {
    return this.#appendsInFlight;
  }

  get lowestOffset(): number {
    return this.#log.lowestOffset;
  }

  get highWatermark(): number {
    return this.#log.highWatermark;
  }

  append(record: RecordInput, options: AppendOptions): Promise<AppendAnswer> {
    const bytes = (record.value?.length ?? 0) + (record.key?.length ?? 0);
    const span = this.#begin(options);
    return this.#watched(this.#log.append(record, within(options, span)), bytes, span);
  }

  appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer> {
    const { length } = batch;
    const span = this.#begin(options);
    return this.#watched(this.#log.appendBatch(batch, within(options, span)), length, span);
  }

  createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity> {
    return this.#log.createProducer(name, signal);
  }

  async read(
    offset: number,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const startedAt = this.#clock.monotonic();
    const batches = await this.#log.read(offset, maxBytes, signal);
    this.#observer.measure("read_duration_seconds", this.#secondsSince(startedAt));
    this.#observer.count("reads_total", 1, FROM_DISK);
    return batches;
  }

  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined {
    const batches = this.#log.readCached(offset, maxBytes);
    if (batches !== undefined) this.#observer.count("reads_total", 1, FROM_MEMORY);
    return batches;
  }

  readBarrier(signal?: AbortSignal): Promise<void> {
    return this.#log.readBarrier(signal);
  }

  offsetAtTime(timestampMs: number, signal?: AbortSignal): Promise<number | undefined> {
    return this.#log.offsetAtTime(timestampMs, signal);
  }

  onCommit(listener: () => void): () => void {
    return this.#log.onCommit(listener);
  }

  servers(): ServersInfo {
    return this.#log.servers();
  }

  /**
   * A sync has ended. Appends share it, and so does every trace that waited for it; its beginning may
   * lie before the append's, which then shares only the rest.
   */
  synced(seconds: number): void {
    if (this.#traced.size === 0) return;
    const startedAtMs = this.#clock.now() - seconds * 1_000;
    for (const append of this.#traced) {
      append.span.child("log.fsync", {}, Math.max(startedAtMs, append.startedAtMs)).end();
    }
  }

  /** The span of an append, which has a part for each sync until it ends; beyond a limit there is none. */
  traced(begin: () => Span | undefined): Span | undefined {
    if (this.#traced.size >= limits.tracedAppendsMax) return undefined;
    const span = begin();
    if (span === undefined) return undefined;
    const traced = { span, startedAtMs: this.#clock.now() };
    this.#traced.add(traced);
    const { traceId, traceparent } = span;
    return {
      ...{ traceId, traceparent },
      child: (name, fields, startedAtMs) => span.child(name, fields, startedAtMs),
      end: (error) => {
        this.#traced.delete(traced);
        span.end(error);
      },
    };
  }

  #begin({ span }: AppendOptions): Span | undefined {
    return span && this.traced(() => span.child("log.append"));
  }

  #watched(
    answer: Promise<AppendAnswer>,
    bytes: number,
    span: Span | undefined,
  ): Promise<AppendAnswer> {
    const startedAt = this.#clock.monotonic();
    this.#appendsInFlight += 1;
    answer.then(
      ({ recordCount, duplicate }) => {
        this.#appendsInFlight -= 1;
        span?.end();
        this.#observer.measure("append_duration_seconds", this.#secondsSince(startedAt));
        if (duplicate) return;
        this.#observer.count("appended_records_total", recordCount);
        this.#observer.count("appended_bytes_total", bytes);
      },
      (caught: unknown) => {
        const { code, message } = ProglogError.from(caught);
        this.#appendsInFlight -= 1;
        span?.end(message);
        this.#observer.count("append_failures_total", 1, { code });
      },
    );
    return answer;
  }

  #secondsSince(startedAt: number): number {
    return (this.#clock.monotonic() - startedAt) / 1_000;
  }
}

function within(options: AppendOptions, span: Span | undefined): AppendOptions {
  return span === undefined ? options : { ...options, span };
}
