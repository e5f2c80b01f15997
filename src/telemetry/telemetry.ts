import { hrTime } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { Resource } from "@opentelemetry/resources";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { systemClock } from "../base/index.ts";
import type { CallObserver, Clock, Labels, LogLevel, Observer, Span } from "../base/index.ts";
import { Calls } from "./calls.ts";
import type { AccessLog } from "./calls.ts";
import { DebugFiles } from "./debug-files.ts";
import type { LineSink } from "./line-writer.ts";
import { Logger } from "./logger.ts";
import { prometheusText, resourceMetrics } from "./metric-data.ts";
import { readOtelVariables } from "./otel-variables.ts";
import { OtlpExporter } from "./otlp-exporter.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { Registry } from "./registry.ts";
import { Tracing } from "./tracing.ts";

export interface TelemetryOptions {
  /** Where log lines go; absent: there are none. */
  readonly logs?: LineSink | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: "json" | "text";
  readonly accessLog: AccessLog;
  /** Metrics and traces; without them only logs are left. */
  readonly measures: boolean;
  /** Share of the calls that are traced where their callers say nothing; `auto`: as `OTEL_*` says. */
  readonly traceSampling: number | "auto";
  /** A directory for files of metrics and traces; empty: none. */
  readonly debugDirectory: string;
  /** Labels of `build_info`. */
  readonly build: Labels;
  /** What the server is called where traces of many are looked at. */
  readonly instance: string;
  readonly clock?: Clock | undefined;
  /** More places for spans, such as a test. */
  readonly spanExporters?: readonly SpanExporter[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** What a server tells about itself, and where. */
export interface Telemetry {
  /** For every part of the server, and for its doors. */
  readonly observer: CallObserver;
  /** Whether calls should be told of at all. */
  readonly observesCalls: boolean;
  /** For `/metrics`; undefined when nothing is measured. */
  readonly render: (() => string) | undefined;
  /** A part of a trace that another server has begun and told of; undefined where nobody looks. */
  resumeTrace(traceparent: string, name: string): Span | undefined;
  /** Called before each look at the metrics. */
  onCollect(refresh: () => void): void;
  /** Sends and writes what is left. */
  close(): Promise<void>;
}

/** Throws what the file system says when the directory for debugging cannot be written to. */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const registry = new Registry();
  const logger = loggerOf(options, registry);
  const log: CallObserver["log"] = (level, event, fields) => logger?.log(level, event, fields);
  if (!options.measures && options.debugDirectory === "") {
    return withoutMeasures(options, registry, logger, log);
  }
  const resource = resourceOf(options);
  const startTime = hrTime();
  const render = (): string => prometheusText(resourceMetrics(registry, resource, startTime));
  const processMetrics = new ProcessMetrics(registry, options.build);
  const files =
    options.debugDirectory === "" ? undefined : new DebugFiles(options.debugDirectory, render);
  const tracing = tracingOf(options, resource, { log, count: registry.count }, files);
  const calls = callsOf(options, registry, logger, tracing);
  const { count, gauge, measure } = registry;
  const begin: CallObserver["begin"] = (kind, facts) => calls.begin(kind, facts);
  return {
    observer: { log, count, gauge, measure, begin },
    observesCalls: true,
    render,
    resumeTrace: (traceparent, name) => tracing?.resume(traceparent, name),
    onCollect: (refresh) => registry.onCollect(refresh),
    close: async () => {
      await tracing?.close();
      files?.close();
      processMetrics.stop();
      logger?.flush();
    },
  };
}

/** Logs alone, and calls only for a log of them. */
function withoutMeasures(
  options: TelemetryOptions,
  registry: Registry,
  logger: Logger | undefined,
  log: CallObserver["log"],
): Telemetry {
  const calls = callsOf(options, registry, logger, undefined);
  const nothing = (): void => undefined;
  return {
    observer: {
      log,
      count: nothing,
      gauge: nothing,
      measure: nothing,
      begin: (kind, facts) => calls.begin(kind, facts),
    },
    observesCalls: options.accessLog !== "off" && logger !== undefined,
    render: undefined,
    resumeTrace: () => undefined,
    onCollect: nothing,
    close: () => {
      logger?.flush();
      return Promise.resolve();
    },
  };
}

function loggerOf(options: TelemetryOptions, registry: Registry): Logger | undefined {
  const { logs: sink, logLevel: level, logFormat: format } = options;
  if (sink === undefined) return undefined;
  const onDropped = (lines: number): void => registry.count("log_lines_dropped_total", lines);
  return new Logger({ sink, level, format, onDropped });
}

function callsOf(
  { accessLog, clock = systemClock }: TelemetryOptions,
  registry: Registry,
  logger: Logger | undefined,
  tracing: Tracing | undefined,
): Calls {
  return new Calls({ registry, logger, accessLog, tracing, clock });
}

/** Traces only where somebody takes them. */
function tracingOf(
  options: TelemetryOptions,
  resource: Resource,
  observer: Pick<Observer, "log" | "count">,
  files: DebugFiles | undefined,
): Tracing | undefined {
  const { env = process.env, traceSampling, spanExporters = [] } = options;
  const variables = readOtelVariables(env);
  const exporters = files === undefined ? spanExporters : [...spanExporters, files.exporter];
  const { sendsOtlp } = variables;
  if (exporters.length === 0 && !sendsOtlp) return undefined;
  const chosen = traceSampling === "auto" ? variables.sampleRatio : traceSampling;
  const sampleRatio = files === undefined ? chosen : 1;
  const collector = sendsOtlp ? new OtlpExporter(observer, env) : undefined;
  const onSpan = (): void => observer.count("spans_total");
  return new Tracing({ resource, sampleRatio, exporters, collector, onSpan });
}

function resourceOf({ instance, build, env = process.env }: TelemetryOptions): Resource {
  const { serviceName, resourceAttributes } = readOtelVariables(env);
  return resourceFromAttributes({
    "service.name": serviceName,
    "service.instance.id": instance,
    "service.version": build["version"] ?? "",
    ...resourceAttributes,
  });
}
