import { ValueType } from "@opentelemetry/api";
import type { HrTime } from "@opentelemetry/api";
import { hrTime } from "@opentelemetry/core";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { AggregationTemporality, DataPointType } from "@opentelemetry/sdk-metrics";
import type { DataPoint, Histogram, MetricData, ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { Resource } from "@opentelemetry/resources";
import type { Metric, Registry, Series } from "./registry.ts";

/** The version of the scope, which says what the names mean. */
const SCOPE = { name: "proglog" };

/**
 * What the registry holds as OpenTelemetry's metric data, cumulative since the start. From here any
 * of its exporters can go on.
 */
export function resourceMetrics(
  registry: Registry,
  resource: Resource,
  startTime: HrTime,
): ResourceMetrics {
  const times = { startTime, endTime: hrTime() };
  const metrics = registry.collect().map((metric) => metricData(metric, times));
  return { resource, scopeMetrics: [{ scope: SCOPE, metrics }] };
}

interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

function metricData({ definition, series }: Metric, times: Times): MetricData {
  const { name, help, kind } = definition;
  const base = {
    descriptor: {
      name: `proglog_${name}`,
      description: help,
      // The unit is the end of the name; told twice, some readers would append it again.
      unit: "",
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (kind === "histogram") {
    const dataPoints = series.map((one) => point(one, times, histogramOf(one)));
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const dataPoints = series.map((one) => point(one, times, one.value));
  if (kind === "gauge") return { ...base, dataPointType: DataPointType.GAUGE, dataPoints };
  return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
}

function point<T>({ labels }: Series, times: Times, value: T): DataPoint<T> {
  return { attributes: { ...labels }, ...times, value };
}

function histogramOf({ distribution }: Series): Histogram {
  const { bounds = [], counts = [], sum = 0, count = 0 } = distribution ?? {};
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count };
}

// The name has its prefix, no time is sent, and what is ours is said by the name: no scope labels.
const serializer = new PrometheusSerializer("", false, undefined, true, true);

/** Source: Prometheus, "Exposition formats", text format 0.0.4. */
export function prometheusText(metrics: ResourceMetrics): string {
  return serializer.serialize(metrics);
}
