import type { CallObserver, Observer } from "../base/index.ts";
import { startTelemetry } from "../telemetry/index.ts";
import type { LineSink, Telemetry, TelemetryOptions } from "../telemetry/index.ts";
import type { AgentConfig } from "./settings.ts";

/** What an agent's telemetry is made of, besides its settings. */
export interface ObservationOptions extends Pick<TelemetryOptions, "spanExporters" | "env"> {
  /** Hears of every event too. */
  readonly observer?: Observer | undefined;
  /** Where log lines go; with `isTTY`, a person reads them. */
  readonly logs?: (LineSink & { readonly isTTY?: boolean }) | undefined;
  /** What runs: the package's version. */
  readonly version?: string | undefined;
}

/** What a server tells of itself, from its settings. */
export function startObservation(
  config: AgentConfig,
  instance: string,
  options: ObservationOptions,
): Telemetry {
  const { logs, observer: also, version = "", spanExporters, env } = options;
  const telemetry = startTelemetry({
    logs,
    logLevel: config.logLevel,
    logFormat: formatFor(config, logs?.isTTY === true),
    accessLog: config.accessLog,
    measures: config.telemetry,
    traceSampling: config.traceSampling,
    debugDirectory: config.debugTelemetry,
    build: { version, runtime: `node ${process.version}` },
    instance,
    spanExporters,
    env,
  });
  if (also === undefined) return telemetry;
  return { ...telemetry, observer: both(telemetry.observer, also) };
}

/** Words where a person looks, lines for programs elsewhere, unless told. */
function formatFor({ logFormat }: AgentConfig, isTTY: boolean): "json" | "text" {
  if (logFormat !== "auto") return logFormat;
  return isTTY ? "text" : "json";
}

function both(first: CallObserver, second: Observer): CallObserver {
  return {
    log: (level, event, fields) => {
      first.log(level, event, fields);
      second.log(level, event, fields);
    },
    count: (name, by, labels) => {
      first.count(name, by, labels);
      second.count(name, by, labels);
    },
    gauge: (name, value, labels) => {
      first.gauge(name, value, labels);
      second.gauge(name, value, labels);
    },
    measure: (name, value, labels) => {
      first.measure(name, value, labels);
      second.measure(name, value, labels);
    },
    begin: (kind, facts) => first.begin(kind, facts),
  };
}

/** The same observer, with a word to `onSync` after each sync of the log. */
export function hearingSyncs(observer: Observer, onSync: (seconds: number) => void): Observer {
  return {
    ...observer,
    measure: (name, value, labels) => {
      observer.measure(name, value, labels);
      if (name === "log_fsync_duration_seconds") onSync(value);
    },
  };
}
