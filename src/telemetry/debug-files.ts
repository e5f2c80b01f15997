import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ExportResultCode, hrTimeToMicroseconds } from "@opentelemetry/core";
import type { ExportResult } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { limits } from "../base/index.ts";

/**
 * Everything that a server measures and traces, in two files of a directory: `metrics-*.log` holds
 * the text of `/metrics` once a second and at the end, `traces-*.log` one line of JSON for a span.
 * For looking at a test or a short run; files are written synchronously and grow without limit.
 */
export class DebugFiles {
  readonly #metrics: string;
  readonly #traces: string;
  readonly #render: () => string;
  readonly #timer: NodeJS.Timeout;

  /** Throws what the file system says when the directory cannot be written to. */
  constructor(directory: string, render: () => string) {
    mkdirSync(directory, { recursive: true });
    const name = `${process.pid}-${randomBytes(4).toString("hex")}.log`;
    this.#metrics = join(directory, `metrics-${name}`);
    this.#traces = join(directory, `traces-${name}`);
    this.#render = render;
    for (const file of [this.#metrics, this.#traces]) appendFileSync(file, "");
    this.#timer = setInterval(() => this.#writeMetrics(), limits.debugMetricsIntervalMs);
    this.#timer.unref();
  }

  readonly exporter: SpanExporter = {
    export: (spans: ReadableSpan[], done: (result: ExportResult) => void): void => {
      appendFileSync(
        this.#traces,
        spans.map((span) => `${JSON.stringify(asLine(span))}\n`).join(""),
      );
      done({ code: ExportResultCode.SUCCESS });
    },
    shutdown: () => Promise.resolve(),
  };

  close(): void {
    clearInterval(this.#timer);
    this.#writeMetrics();
  }

  #writeMetrics(): void {
    appendFileSync(this.#metrics, `# ${new Date().toISOString()}\n${this.#render()}\n`);
  }
}

function asLine(span: ReadableSpan): unknown {
  const { traceId, spanId } = span.spanContext();
  return {
    name: span.name,
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: span.parentSpanContext?.spanId,
    start_time: new Date(hrTimeToMicroseconds(span.startTime) / 1_000).toISOString(),
    duration_us: Math.round(hrTimeToMicroseconds(span.duration)),
    attributes: span.attributes,
    error: span.status.message,
  };
}
