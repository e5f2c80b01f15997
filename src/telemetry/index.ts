/**
 * # telemetry: what a server tells about itself
 *
 * Three kinds of words. *Logs*: one line for one event (`logger`), with nothing in it that is secret
 * or that a terminal would obey (`redact`), and one line for a call where that is wanted (`calls`).
 * *Metrics*: numbers since the start, kept by us (`registry`, `distribution`), because they are told
 * of at every call, and shown as OpenTelemetry's data in Prometheus' text (`metric-data`). *Traces*:
 * spans of the sampled calls, made and sent by OpenTelemetry (`tracing`), as part of the trace that
 * the caller began.
 *
 * No other part imports this one. They are given an `Observer`, of `base`, and tell it by name: a
 * new part's metric exists as soon as it is told of. A line in `catalogue` gives it a help text, and
 * a place in the documents, the dashboard and the alerts that are checked against what is exported.
 *
 * Invariants: a call that is not sampled makes no span; no client can make a metric's series or a
 * log's lines grow without limit; who is slow in reading logs or taking traces delays nobody, and
 * what was dropped for him is counted.
 *
 * Left out on purpose: pushing metrics (Prometheus pulls), rotating logs (whoever takes standard
 * error does it), and what ready means, which is the agent's to say.
 */
export type { AccessLog } from "./calls.ts";
export { DEFINITIONS, type Definition, type MetricKind } from "./catalogue.ts";
export type { LineSink } from "./line-writer.ts";
export { startTelemetry, type Telemetry, type TelemetryOptions } from "./telemetry.ts";
