import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from "@opentelemetry/api";
import type { Span as OtelSpan, Tracer as OtelTracer } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { limits } from "../base/index.ts";
import type { CallFacts, CallKind, Fields, Span } from "../base/index.ts";
import { plainText } from "./redact.ts";
import { formatTraceparent, parseTraceparent } from "./trace-context.ts";
import type { TraceContext } from "./trace-context.ts";

export interface TracingOptions {
  readonly resource: Resource;
  /** Of calls whose callers say nothing; 0 to 1. A caller's own decision is followed. */
  readonly sampleRatio: number;
  /** Where spans go at once, in the order of their ends: a test, a file. */
  readonly exporters: readonly SpanExporter[];
  /** Where spans go together, a few seconds later: a collector. */
  readonly collector: SpanExporter | undefined;
  readonly onSpan: () => void;
}

/** Makes spans for the calls that are sampled, and nothing at all for the others. */
export class Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer: OtelTracer;
  readonly #options: TracingOptions;

  constructor(options: TracingOptions) {
    this.#options = options;
    const spanProcessors = options.exporters.map(
      (exporter) => new SimpleSpanProcessor({ exporter }),
    );
    const { collector } = options;
    // Whether a span is wanted was decided when it is made: those that are not are never made.
    this.#provider = new TracerProvider({
      resource: options.resource,
      sampler: new AlwaysOnSampler(),
      spanProcessors:
        collector === undefined ? spanProcessors : [...spanProcessors, batchesFor(collector)],
    });
    this.#tracer = this.#provider.getTracer("proglog");
  }

  /** The span of a call, when it is sampled. */
  beginCall(kind: CallKind, facts: CallFacts): Span | undefined {
    const caller = parseTraceparent(facts.header("traceparent"));
    const isSampled = caller?.isSampled ?? Math.random() < this.#options.sampleRatio;
    if (!isSampled) return undefined;
    const parent = caller === undefined ? undefined : contextOf(caller);
    const name = kind.system === "grpc" ? `${kind.service}/${kind.method}` : kind.method;
    const span = this.#tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, attributes: attributesOf(kind, facts) },
      parent ?? ROOT_CONTEXT,
    );
    this.#options.onSpan();
    return new RecordedSpan(span, this.#tracer);
  }

  /** Goes on with the trace of another server; undefined for one that is not sampled, or is none. */
  resume(traceparent: string, name: string): Span | undefined {
    const caller = parseTraceparent(traceparent);
    if (caller?.isSampled !== true) return undefined;
    const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER }, contextOf(caller));
    return new RecordedSpan(span, this.#tracer);
  }

  /** Sends what is left, as far as somebody takes it. */
  async close(): Promise<void> {
    const patience = new Promise<void>((resolve) => {
      setTimeout(resolve, limits.telemetryFlushTimeoutMs).unref();
    });
    // A collector that is away is no failure of ours at this point.
    await Promise.race([this.#provider.shutdown().catch(() => undefined), patience]);
  }
}

function batchesFor(exporter: SpanExporter): BatchSpanProcessor {
  return new BatchSpanProcessor({ exporter, maxQueueSize: limits.spansWaitingMax });
}

class RecordedSpan implements Span {
  readonly #span: OtelSpan;
  readonly #tracer: OtelTracer;

  constructor(span: OtelSpan, tracer: OtelTracer) {
    this.#span = span;
    this.#tracer = tracer;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get traceparent(): string {
    const { traceId, spanId } = this.#span.spanContext();
    return formatTraceparent({ traceId, spanId, isSampled: true });
  }

  child(name: string, fields: Fields = {}, startedAtMs?: number): Span {
    const options = {
      attributes: { ...fields },
      ...(startedAtMs === undefined ? undefined : { startTime: startedAtMs }),
    };
    const span = this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span));
    return new RecordedSpan(span, this.#tracer);
  }

  end(error?: string): void {
    if (error !== undefined) {
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: plainText(error) });
    }
    this.#span.end();
  }
}

function contextOf({ traceId, spanId }: TraceContext): typeof ROOT_CONTEXT {
  const traceFlags = TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** Source: OpenTelemetry semantic conventions for RPC and for HTTP. */
function attributesOf({ system, service, method }: CallKind, facts: CallFacts): Fields {
  const peer = { "network.peer.address": plainText(facts.peer()) };
  if (system === "grpc") {
    return { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method, ...peer };
  }
  const [verb = "", route = ""] = method.split(" ");
  return { "http.request.method": verb, "http.route": route, ...peer };
}
