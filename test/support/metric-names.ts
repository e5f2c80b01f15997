import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./root.ts";

/** Files that look at metrics by their names. */
export const METRIC_READERS: readonly string[] = [
  "deploy/grafana/proglog.json",
  "deploy/prometheus-rules.yaml",
  "docs/operating/observability.md",
];

/** The names in a file, without what Prometheus adds to those of a histogram. */
export function metricNamesIn(file: string): Set<string> {
  const text = readFileSync(join(root, file), "utf8");
  const names = [...text.matchAll(/\bproglog_[a-z0-9_]+/g)].map(([name]) => name);
  return new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, "")));
}

/** The names in what `/metrics` answers. */
export function metricNamesOf(metrics: string): Set<string> {
  return new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
}
