import { createRequire } from "node:module";
import { ExportResultCode } from "@opentelemetry/core";
import type { ExportResult } from "@opentelemetry/core";
import type * as Otlp from "@opentelemetry/exporter-trace-otlp-proto";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { limits } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { otlpTimeoutMs } from "./otel-variables.ts";

const require = createRequire(import.meta.url);

/**
 * Sends spans to the collector that the variables `OTEL_EXPORTER_OTLP_*` name. What it does not take
 * is counted, and told of now and then: a collector that is away is nothing that a log stops for.
 */
export class OtlpExporter implements SpanExporter {
  readonly #otlp: Otlp.OTLPTraceExporter;
  readonly #observer: Pick<Observer, "log" | "count">;
  #toldAt = -Infinity;

  constructor(
    observer: Pick<Observer, "log" | "count">,
    env: Readonly<Record<string, string | undefined>>,
  ) {
    this.#observer = observer;
    // Endpoint, headers, certificates and compression are the library's own reading of the variables.
    // Its ten seconds of patience would also be how long a server waits with its end.
    // It is a tenth of all the code that a server loads, and few have a collector.
    const { OTLPTraceExporter } =
      require("@opentelemetry/exporter-trace-otlp-proto") as typeof Otlp;
    this.#otlp = new OTLPTraceExporter({ timeoutMillis: otlpTimeoutMs(env) });
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#otlp.export(spans, (result) => {
      if (result.code !== ExportResultCode.SUCCESS) this.#lost(spans.length, result.error);
      done(result);
    });
  }

  forceFlush(): Promise<void> {
    return this.#otlp.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#otlp.shutdown();
  }

  #lost(spans: number, error: Error | undefined): void {
    this.#observer.count("spans_lost_total", spans);
    const now = performance.now();
    if (now - this.#toldAt < limits.telemetryComplaintIntervalMs) return;
    this.#toldAt = now;
    this.#observer.log("warn", "traces.not-taken", { spans, error: error?.message });
  }
}
