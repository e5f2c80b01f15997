/** What a whole server tells of itself: lines, numbers, traces. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { context, propagation, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, StackContextManager } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { makeFolder } from "../../test/support/program.ts";
import { startServer } from "../../test/support/server.ts";
import { connect } from "../client/index.ts";
import { DEFINITIONS } from "../telemetry/index.ts";
import { startAgent } from "./agent.ts";
import type { Agent, AgentOptions } from "./agent.ts";
import type { AgentConfig } from "./settings.ts";

type Line = Readonly<Record<string, unknown>>;

interface Told {
  readonly agent: Agent;
  /** The lines of the log so far, once there are as many of `event`. */
  readonly lines: (event: string, count: number) => Promise<Line[]>;
}

async function listenTo(
  t: TestContext,
  settings: Partial<AgentConfig>,
  options: AgentOptions = {},
): Promise<Told> {
  let told = "";
  let onMore = (): void => undefined;
  const logs = {
    write: (more: string): void => {
      told += more;
      onMore();
    },
  };
  const agent = await startServer(t, settings, { ...options, logs });
  const lines = async (event: string, count: number): Promise<Line[]> => {
    for (;;) {
      const all = told
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line);
      const found = all.filter((line) => line["event"] === event);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => (onMore = resolve));
    }
  };
  return { agent, lines };
}

const post = (agent: Agent, body: string, headers: Record<string, string> = {}) =>
  fetch(`http://${agent.httpAddress ?? ""}/`, { method: "POST", body, headers });

describe("the access log", () => {
  test("of gRPC has the book's fields", async (t) => {
    const { agent, lines } = await listenTo(t, { accessLog: "all" });
    // One server, which is not asked for others.
    await using client = connect(`dns:${agent.rpcAddress}`);
    await client.produce({ value: Buffer.from("secret-of-a-client") });
    await assert.rejects(client.read(7));
    const [good, bad] = await lines("grpc.call", 2);
    assert.deepEqual(Object.keys(good ?? {}).sort(), [
      "event",
      "grpc.code",
      "grpc.method",
      "grpc.service",
      "grpc.start_time",
      "grpc.time_ns",
      "level",
      "peer.address",
      "span.kind",
      "system",
      "time",
    ]);
    const { "grpc.start_time": startTime, "grpc.time_ns": timeNs, time, ...rest } = good ?? {};
    assert.match(String(startTime), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.ok(Number.isInteger(timeNs) && Number(timeNs) > 0);
    assert.match(String(rest["peer.address"]), /^127\.0\.0\.1:\d+$/);
    assert.equal(rest["system"], "grpc");
    assert.equal(rest["span.kind"], "server");
    assert.equal(rest["grpc.service"], "log.v1.Log");
    assert.equal(rest["grpc.method"], "Produce");
    assert.equal(rest["grpc.code"], "OK");
    assert.equal(bad?.["grpc.code"], "OUT_OF_RANGE");
    assert.match(String(bad["error"]), /outside of the log: 7/);
    assert.doesNotMatch(JSON.stringify([good, bad]), /secret-of-a-client/);
  });

  test("of HTTP has the same", async (t) => {
    const { agent, lines } = await listenTo(t, { accessLog: "all" });
    await (await post(agent, '{"record":{"value":"c2VjcmV0"}}')).text();
    await (await fetch(`http://${agent.httpAddress ?? ""}/no/${"such".repeat(50)}`)).text();
    const [good, bad] = await lines("http.call", 2);
    assert.equal(good?.["http.method"], "POST /");
    assert.equal(good["http.code"], "200");
    assert.match(String(good["peer.address"]), /^127\.0\.0\.1:\d+$/);
    assert.ok(Number(good["http.time_ns"]) > 0);
    assert.equal(bad?.["http.method"], "other");
    assert.equal(bad["http.code"], "404");
    assert.doesNotMatch(JSON.stringify(good), /c2VjcmV0/);
  });

  test("may tell of failures alone", async (t) => {
    const { agent, lines } = await listenTo(t, { accessLog: "errors" });
    await (await post(agent, '{"record":{"value":"aGk="}}')).text();
    await (await post(agent, "{")).text();
    const found = await lines("http.call", 1);
    assert.deepEqual(
      found.map((line) => line["http.code"]),
      ["400"],
    );
  });

  test("what a client sends cannot add a line to it", async (t) => {
    const { agent, lines } = await listenTo(t, { accessLog: "all" });
    const forged = 'x\n{"event":"grpc.call","grpc.code":"FORGED"}\u001b[2J';
    await using client = connect(agent.rpcAddress, { log: forged });
    await assert.rejects(client.produce({ value: Buffer.from("x") }));
    await (await post(agent, JSON.stringify({ record: { [forged]: 1 } }))).text();
    await lines("http.call", 1);
    for (const line of await lines("grpc.call", 1)) {
      assert.notEqual(line["grpc.code"], "FORGED");
    }
  });
});

async function metricsOf(agent: Agent): Promise<string> {
  return (await fetch(`http://${agent.httpAddress ?? ""}/metrics`)).text();
}

/** The value of a series, by how its line begins. */
function valueOf(metrics: string, series: string): number | undefined {
  const line = metrics.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe("the metrics", () => {
  test("know every call, its messages and its end; the log, its disk, the process", async (t) => {
    const agent = await startServer(t);
    await using client = connect(agent.rpcAddress);
    const value = Buffer.alloc(100);
    for (let n = 0; n < 3; n++) await client.produce({ value });
    await assert.rejects(client.read(7));
    const metrics = await metricsOf(agent);
    const value_ = (series: string): number | undefined => valueOf(metrics, `proglog_${series}`);
    const produce = 'service="log.v1.Log",method="Produce"';
    assert.equal(value_(`calls_total{${produce},code="OK"}`), 3);
    assert.equal(value_(`call_duration_seconds_count{${produce}}`), 3);
    assert.equal(value_(`messages_received_total{${produce}}`), 3);
    assert.ok((value_(`received_bytes_total{${produce}}`) ?? 0) >= 300);
    assert.equal(value_(`calls_in_flight{${produce}}`), 0);
    const consume = 'service="log.v1.Log",method="Consume"';
    assert.equal(value_(`calls_total{${consume},code="OUT_OF_RANGE"}`), 1);
    assert.equal(value_("appended_records_total"), 3);
    assert.equal(value_("appended_bytes_total"), 300);
    assert.equal(value_("append_duration_seconds_count"), 3);
    assert.equal(value_("log_next_offset"), 3);
    assert.ok((value_("log_fsync_duration_seconds_count") ?? 0) >= 3);
    assert.equal(value_("ready"), 1);
    assert.equal(value_("leader"), 1);
    assert.ok((value_("connections") ?? 0) >= 1);
    assert.ok((value_("resident_memory_bytes") ?? 0) > 1e6);
  });

  test("count streams as one call and their messages one by one", async (t) => {
    const agent = await startServer(t);
    await using client = connect(agent.rpcAddress);
    for (let n = 0; n < 5; n++) await client.produce({ value: Buffer.from("x") });
    for await (const { offset } of client.records({ from: "start", follow: true }))
      if (offset === 4) break;
    let metrics = "";
    // The end of a stream comes to the server when it comes.
    do metrics = await metricsOf(agent);
    while (!/code="CANCELLED"/.test(metrics));
    assert.doesNotMatch(metrics, /call_duration_seconds_count\{.*method="Consume(Batches|Stream)"/);
    assert.match(metrics, /^proglog_sent_bytes_total\{.*method="Consume(Batches|Stream)"\} [1-9]/m);
  });

  test("that are told of are in the catalogue, with a help text", async (t) => {
    const agent = await startServer(t);
    const known = new Set(DEFINITIONS.map(({ name }) => `proglog_${name}`));
    const told = [...(await metricsOf(agent)).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    assert.ok(told.length > 25);
    assert.deepEqual(
      told.filter((name) => !known.has(name ?? "")),
      [],
    );
  });

  test("have the labels that the catalogue tells of", async (t) => {
    const agent = await startServer(t);
    await (await post(agent, '{"record":{"value":"aGk="}}')).text();
    let compared = 0;
    for (const line of (await metricsOf(agent)).split("\n")) {
      const [, series = "", told = ""] = /^proglog_(\w+)\{(.*)\} /.exec(line) ?? [];
      if (series === "") continue;
      const name = series.replace(/_(bucket|sum|count)$/, "");
      const definition = DEFINITIONS.find((each) => each.name === series || each.name === name);
      const labels = [...told.matchAll(/(\w+)="/g)].map(([, label = ""]) => label);
      const known = [...(definition?.labels ?? []), "le"];
      assert.deepEqual(
        labels.filter((label) => !known.includes(label)),
        [],
        series,
      );
      compared++;
    }
    assert.ok(compared > 20, `${compared} series`);
  });

  test("are not there without telemetry, and nothing else is missing", async (t) => {
    const agent = await startServer(t, { telemetry: false, debugTelemetry: "" });
    await (await post(agent, '{"record":{"value":"aGk="}}')).text();
    const response = await fetch(`http://${agent.httpAddress ?? ""}/metrics`);
    assert.equal(response.status, 404);
  });
});

const CALLER = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  traceFlags: TraceFlags.SAMPLED,
};
const TRACEPARENT = `00-${CALLER.traceId}-${CALLER.spanId}-01`;

/** The spans of an exporter, once the one of this name has ended. */
async function spansUntil(exporter: InMemorySpanExporter, name: string): Promise<ReadableSpan[]> {
  for (;;) {
    const spans = exporter.getFinishedSpans();
    if (spans.some((span) => span.name === name)) return spans;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function parentOf(spans: readonly ReadableSpan[], name: string): string | undefined {
  const parent = spans.find((span) => span.name === name)?.parentSpanContext?.spanId;
  return spans.find((span) => span.spanContext().spanId === parent)?.name ?? parent;
}

describe("a trace", () => {
  test("begun by a program goes on through our client, the call, the append and its fsync", async (t) => {
    const exporter = new InMemorySpanExporter();
    const agent = await startServer(t, { traceSampling: 0 }, { spanExporters: [exporter] });
    context.setGlobalContextManager(new StackContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    t.after(() => {
      context.disable();
      propagation.disable();
    });
    await using client = connect(agent.rpcAddress);
    const caller = trace.setSpanContext(ROOT_CONTEXT, CALLER);
    await context.with(caller, () => client.produce({ value: Buffer.from("x") }));
    const spans = await spansUntil(exporter, "log.v1.Log/Produce");
    assert.equal(parentOf(spans, "log.fsync"), "log.append");
    assert.equal(parentOf(spans, "log.append"), "log.v1.Log/Produce");
    assert.equal(parentOf(spans, "log.v1.Log/Produce"), CALLER.spanId);
    assert.deepEqual(
      [...new Set(spans.map((span) => span.spanContext().traceId))],
      [CALLER.traceId],
    );
  });

  test("goes on over HTTP too, and is named in the access log", async (t) => {
    const exporter = new InMemorySpanExporter();
    const settings = { traceSampling: 0, accessLog: "all" } as const;
    const { agent, lines } = await listenTo(t, settings, { spanExporters: [exporter] });
    const headers = { traceparent: TRACEPARENT };
    await (await post(agent, '{"record":{"value":"aGk="}}', headers)).text();
    const spans = await spansUntil(exporter, "POST /");
    assert.equal(parentOf(spans, "log.append"), "POST /");
    assert.equal(parentOf(spans, "POST /"), CALLER.spanId);
    const [line] = await lines("http.call", 1);
    assert.equal(line?.["trace_id"], CALLER.traceId);
  });

  test("is only made of sampled calls: the caller's word counts, then the ratio", async (t) => {
    const exporter = new InMemorySpanExporter();
    const agent = await startServer(t, { traceSampling: 1 }, { spanExporters: [exporter] });
    const unsampled = { traceparent: TRACEPARENT.replace(/01$/, "00") };
    await (await post(agent, '{"record":{"value":"aGk="}}', unsampled)).text();
    await (await fetch(`http://${agent.httpAddress ?? ""}/?offset=0`)).text();
    const spans = await spansUntil(exporter, "GET /");
    assert.deepEqual(
      spans.map((span) => span.name),
      ["GET /"],
    );
  });
});

/** The variables are the process', since the exporter reads them there. */
function setVariable(t: TestContext, name: string, value: string): void {
  process.env[name] = value;
  t.after(() => Reflect.deleteProperty(process.env, name));
}

describe("a collector", () => {
  test("that OTEL_EXPORTER_OTLP_ENDPOINT names gets the spans, at the end at the latest", async (t) => {
    const taken: { path: string; body: string }[] = [];
    const collector = createServer((request, response) => {
      void text(request).then((body) => {
        taken.push({ path: request.url ?? "", body });
        response.end();
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    t.after(() => collector.close());
    const { port } = collector.address() as AddressInfo;
    setVariable(t, "OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
    const agent = await startServer(t, { traceSampling: 1 });
    await (await post(agent, '{"record":{"value":"aGk="}}')).text();
    await agent.close();
    const [request] = taken;
    assert.equal(request?.path, "/v1/traces");
    for (const word of ["service.name", "proglog", "POST /", "log.append", "log.fsync"]) {
      assert.ok(request.body.includes(word), word);
    }
  });

  test("that is away stops nobody, and is complained about", async (t) => {
    setVariable(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    setVariable(t, "OTEL_EXPORTER_OTLP_TIMEOUT", "200");
    const { agent, lines } = await listenTo(t, { traceSampling: 1 });
    await (await post(agent, '{"record":{"value":"aGk="}}')).text();
    await agent.close();
    const [line] = await lines("traces.not-taken", 1);
    assert.equal(line?.["level"], "warn");
    assert.ok(Number(line["spans"]) >= 3);
  });

  test("that cannot be spoken to is refused at the start", async (t) => {
    setVariable(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    setVariable(t, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    const folder = makeFolder(t);
    await assert.rejects(startAgent({ dataDir: folder, rpcPort: 0 }), { code: "CONFIGURATION" });
  });
});

test("--debug-telemetry writes all metrics and all traces to files", async (t) => {
  const folder = makeFolder(t);
  const agent = await startServer(t, { debugTelemetry: folder, traceSampling: 0 });
  await (await post(agent, '{"record":{"value":"aGk="}}')).text();
  await agent.close();
  const files = await readdir(folder);
  const contentOf = (prefix: string): Promise<string> =>
    readFile(join(folder, files.find((name) => name.startsWith(prefix)) ?? "?"), "utf8");
  assert.equal(files.length, 2);
  assert.match(await contentOf("metrics-"), /^proglog_appended_records_total 1$/m);
  const spans = (await contentOf("traces-"))
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { name: string });
  // The append may have waited for more than one sync.
  const names = new Set(spans.map(({ name }) => name));
  assert.deepEqual([...names].sort(), [
    ...["POST /", "log.append", "log.fsync"],
    ...["raft.apply", "raft.replicate"],
  ]);
});
