/** One trace through several servers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InMemorySpanExporter } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

import type { Agent } from "../../src/agent/index.ts";
import { startCluster, until } from "../support/cluster.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

function post({ rpcAddress }: Agent, flags: "00" | "01"): Promise<Response> {
  return fetch(`http://${rpcAddress}/`, {
    method: "POST",
    headers: { traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-${flags}` },
    body: '{"record":{"value":"aGk="}}',
  });
}

describe("a trace of an append at a server that does not lead", () => {
  test("goes on at the one that does, where it tells of the majority, and is only made when sampled", async (t) => {
    const exporters = [0, 1].map(() => new InMemorySpanExporter());
    const cluster = await startCluster(t, 2, {
      settings: { traceSampling: 0 },
      optionsFor: (at) => ({
        timing: { electionTimeoutTicks: 60 },
        spanExporters: exporters.slice(at, at + 1),
      }),
    });
    const leader = await cluster.untilLed();
    const at = cluster.agents.findIndex((agent) => agent !== leader);
    const follower = cluster.agents[at] ?? assert.fail();
    await until(() => follower.replica.leader !== undefined, "it knows no leader");
    const here = (): ReadableSpan[] => exporters[at]?.getFinishedSpans() ?? [];
    const there = (): ReadableSpan[] => exporters[1 - at]?.getFinishedSpans() ?? [];

    // Nobody asked for these two.
    assert.ok((await post(follower, "00")).ok);
    assert.ok((await fetch(`http://${follower.rpcAddress}/?offset=0`)).ok);
    assert.ok((await post(follower, "01")).ok);
    const has = (spans: ReadableSpan[], name: string): boolean =>
      spans.some((span) => span.name === name);
    await until(() => has(here(), "POST /") && has(there(), "log.forwarded"), "a span is missing");

    const all = [...here(), ...there()];
    const idOf = (name: string): string =>
      all.find((span) => span.name === name)?.spanContext().spanId ?? assert.fail(name);
    const parentOf = (name: string): string | undefined =>
      [...there(), ...here()].find((span) => span.name === name)?.parentSpanContext?.spanId;
    // Its own disk may have synced meanwhile or not.
    const names = here().map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name !== "log.fsync").toSorted(), [
      "POST /",
      "log.append",
      "log.forward",
    ]);
    assert.deepEqual(
      new Set(there().map(({ name }) => name)),
      new Set(["log.forwarded", "log.fsync", "raft.replicate", "raft.apply"]),
    );
    assert.equal(parentOf("log.forward"), idOf("log.append"));
    assert.equal(parentOf("log.forwarded"), idOf("log.forward"));
    for (const name of ["log.fsync", "raft.replicate", "raft.apply"]) {
      assert.equal(parentOf(name), idOf("log.forwarded"), name);
    }
    for (const span of all) assert.equal(span.spanContext().traceId, TRACE_ID);
  });
});
