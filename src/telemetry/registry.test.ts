import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hrTime } from "@opentelemetry/core";
import { emptyResource } from "@opentelemetry/resources";
import { limits } from "../base/index.ts";
import { prometheusText, resourceMetrics } from "./metric-data.ts";
import { Registry } from "./registry.ts";

function textOf(registry: Registry): string {
  return prometheusText(resourceMetrics(registry, emptyResource(), hrTime()));
}

describe("metrics", () => {
  test("counters add, gauges are set, distributions count in buckets", () => {
    const registry = new Registry();
    registry.count("things_total", 2);
    registry.count("things_total");
    registry.gauge("level", 4);
    registry.gauge("level", 3);
    for (const seconds of [0.0001, 0.003, 99]) registry.measure("thing_seconds", seconds);
    const text = textOf(registry);
    assert.match(text, /^proglog_things_total 3$/m);
    assert.match(text, /^# TYPE proglog_things_total counter$/m);
    assert.match(text, /^proglog_level 3$/m);
    assert.match(text, /^proglog_thing_seconds_bucket\{le="0.0001"\} 1$/m);
    assert.match(text, /^proglog_thing_seconds_bucket\{le="0.005"\} 2$/m);
    assert.match(text, /^proglog_thing_seconds_bucket\{le="10"\} 2$/m);
    assert.match(text, /^proglog_thing_seconds_bucket\{le="\+Inf"\} 3$/m);
    assert.match(text, /^proglog_thing_seconds_count 3$/m);
    assert.match(text, /^proglog_thing_seconds_sum 99\.0031$/m);
  });

  test("a known counter is 0 before anything happened", () => {
    assert.match(textOf(new Registry()), /^proglog_appended_records_total 0$/m);
  });

  test("labels of the same content are the same series, whatever object they are", () => {
    const registry = new Registry();
    const kept = { from: "memory" };
    registry.count("reads_total", 1, kept);
    registry.count("reads_total", 1, kept);
    registry.count("reads_total", 1, { from: "memory" });
    assert.match(textOf(registry), /^proglog_reads_total\{from="memory"\} 3$/m);
  });

  test("label values are only text", () => {
    const registry = new Registry();
    registry.gauge("level", 1, { name: 'a"} 7\n# HELP evil\\' });
    assert.match(textOf(registry), /^proglog_level\{name="a\\"\} 7\\n# HELP evil\\\\"\} 1$/m);
  });

  test("a gauge can be taken away", () => {
    const registry = new Registry();
    registry.gauge("peer_lag", 5, { peer: "b" });
    registry.gauge("peer_lag", undefined, { peer: "b" });
    assert.doesNotMatch(textOf(registry), /peer_lag/);
  });

  test("series stay bounded: what is too much has one series of its own", () => {
    const registry = new Registry();
    const extra = 50;
    for (let n = 0; n < limits.metricSeriesMax + extra; n++) {
      registry.count("reads_total", 1, { from: `place-${n}` });
    }
    const lines = textOf(registry).match(/^proglog_reads_total\{/gm) ?? [];
    assert.equal(lines.length, limits.metricSeriesMax + 1);
    assert.match(textOf(registry), new RegExp(`\\{from="other"\\} ${extra}$`, "m"));
  });

  test("what is only known when somebody looks is asked then", () => {
    const registry = new Registry();
    let level = 0;
    registry.onCollect(() => registry.gauge("level", ++level));
    assert.match(textOf(registry), /^proglog_level 1$/m);
    assert.match(textOf(registry), /^proglog_level 2$/m);
  });
});
