import { limits, ProglogError } from "../base/index.ts";

/** Of the calls whose callers do not say, when nobody says how many should be traced. */
const SAMPLE_RATIO = 0.01;

/** What we read of OpenTelemetry's variables; the exporter reads those about itself. */
export interface OtelVariables {
  readonly sendsOtlp: boolean;
  readonly sampleRatio: number;
  readonly serviceName: string;
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

/**
 * Source: OpenTelemetry, "Environment variable specification". Throws `CONFIGURATION` for what would
 * otherwise be left out in silence.
 */
export function readOtelVariables(
  env: Readonly<Record<string, string | undefined>>,
): OtelVariables {
  const attributes = readPairs(env["OTEL_RESOURCE_ATTRIBUTES"] ?? "");
  const { "service.name": named = "proglog", ...resourceAttributes } = attributes;
  return {
    sendsOtlp: readSendsOtlp(env),
    sampleRatio: readSampleRatio(env),
    serviceName: env["OTEL_SERVICE_NAME"] || named,
    resourceAttributes,
  };
}

function readSendsOtlp(env: Readonly<Record<string, string | undefined>>): boolean {
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return false;
  const exporter = env["OTEL_TRACES_EXPORTER"] ?? "";
  if (exporter === "none") return false;
  if (exporter !== "" && exporter !== "otlp") {
    throw unsupported("OTEL_TRACES_EXPORTER", exporter, "otlp or none");
  }
  const endpoint =
    env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || env["OTEL_EXPORTER_OTLP_ENDPOINT"] || "";
  if (exporter === "" && endpoint === "") return false;
  const protocol =
    env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] || env["OTEL_EXPORTER_OTLP_PROTOCOL"] || "";
  if (protocol !== "" && protocol !== "http/protobuf") {
    throw unsupported("OTEL_EXPORTER_OTLP_PROTOCOL", protocol, "http/protobuf");
  }
  return true;
}

/** A caller's decision is always followed, so that `parentbased_` makes no difference here. */
function readSampleRatio(env: Readonly<Record<string, string | undefined>>): number {
  const sampler = (env["OTEL_TRACES_SAMPLER"] ?? "").replace(/^parentbased_/, "");
  if (sampler === "") return SAMPLE_RATIO;
  if (sampler === "always_on") return 1;
  if (sampler === "always_off") return 0;
  if (sampler !== "traceidratio") {
    const expected = "always_on, always_off, traceidratio, or one of them after parentbased_";
    throw unsupported("OTEL_TRACES_SAMPLER", sampler, expected);
  }
  const argument = env["OTEL_TRACES_SAMPLER_ARG"] || "1";
  const ratio = Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw unsupported("OTEL_TRACES_SAMPLER_ARG", argument, "a number from 0 to 1");
}

/** How long one export may take, with its repetitions. */
export function otlpTimeoutMs(env: Readonly<Record<string, string | undefined>>): number {
  const given = env["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] || env["OTEL_EXPORTER_OTLP_TIMEOUT"];
  const timeoutMs = Number(given);
  return timeoutMs > 0 ? timeoutMs : limits.telemetryFlushTimeoutMs;
}

function unsupported(variable: string, value: string, expected: string): ProglogError {
  const message = `${variable}: ${JSON.stringify(value)} is not supported here: ${expected}`;
  return new ProglogError("CONFIGURATION", message);
}

/** `team=storage,zone=a`, with values in percent encoding. */
function readPairs(text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const pair of text.split(",")) {
    const [, name, value = ""] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? [];
    if (name === undefined) continue;
    try {
      pairs[name] = decodeURIComponent(value.trim());
    } catch {
      pairs[name] = value.trim();
    }
  }
  return pairs;
}
