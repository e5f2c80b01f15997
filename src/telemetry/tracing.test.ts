import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProglogError } from "../base/index.ts";
import { readOtelVariables } from "./otel-variables.ts";
import { formatTraceparent, parseTraceparent } from "./trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("traceparent", () => {
  test("is read, and written as it was", () => {
    for (const flags of ["00", "01"]) {
      const header = `00-${TRACE}-${SPAN}-${flags}`;
      const context = parseTraceparent(header);
      assert.deepEqual(context, { traceId: TRACE, spanId: SPAN, isSampled: flags === "01" });
      assert.equal(formatTraceparent(context), header);
    }
  });

  test("a later version may have more, and other flags", () => {
    assert.equal(parseTraceparent(`01-${TRACE}-${SPAN}-ff-more`)?.isSampled, true);
  });

  const wrong: readonly (string | undefined)[] = [
    undefined,
    "",
    "00",
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-0g`,
    ` 00-${TRACE}-${SPAN}-01`,
    `01-${TRACE}-${SPAN}-01-${"x".repeat(1_000)}`,
  ];
  for (const header of wrong) {
    test(`is none: ${String(header).slice(0, 60)}`, () => {
      assert.equal(parseTraceparent(header), undefined);
    });
  }
});

describe("the variables OTEL_*", () => {
  test("without them nothing is sent", () => {
    const { sendsOtlp, sampleRatio, serviceName } = readOtelVariables({});
    assert.deepEqual(
      { sendsOtlp, sampleRatio, serviceName },
      {
        sendsOtlp: false,
        sampleRatio: 0.01,
        serviceName: "proglog",
      },
    );
  });

  const sends: readonly [env: Record<string, string>, sends: boolean][] = [
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4318/v1/traces" }, true],
    [{ OTEL_TRACES_EXPORTER: "otlp" }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_TRACES_EXPORTER: "none" }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_SDK_DISABLED: "true" }, false],
  ];
  for (const [env, expected] of sends) {
    test(`${JSON.stringify(env)}: ${expected ? "sent" : "not sent"}`, () => {
      assert.equal(readOtelVariables(env).sendsOtlp, expected);
    });
  }

  const ratios: readonly [sampler: string, argument: string, ratio: number][] = [
    ["always_on", "", 1],
    ["parentbased_always_off", "", 0],
    ["parentbased_traceidratio", "0.25", 0.25],
    ["traceidratio", "", 1],
  ];
  for (const [sampler, argument, ratio] of ratios) {
    test(`${sampler} ${argument}`, () => {
      const env = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: argument };
      assert.equal(readOtelVariables(env).sampleRatio, ratio);
    });
  }

  const refused: readonly Record<string, string>[] = [
    { OTEL_TRACES_SAMPLER: "jaeger_remote" },
    { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" },
    { OTEL_TRACES_EXPORTER: "zipkin" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
  ];
  for (const env of refused) {
    test(`refused: ${JSON.stringify(env)}`, () => {
      assert.throws(
        () => readOtelVariables(env),
        (error) => {
          return error instanceof ProglogError && error.code === "CONFIGURATION";
        },
      );
    });
  }

  test("attributes of the resource", () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: "team=st%6frage, service.name = log ,broken,zone=%" };
    const { serviceName, resourceAttributes } = readOtelVariables(env);
    assert.equal(serviceName, "log");
    assert.deepEqual(resourceAttributes, { team: "storage", zone: "%" });
  });
});
