import { isTest, resolveImport, type Source } from "./sources.ts";

/** Who may import whom: each folder of src/, and the folders it may know. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  api: ["base"],
  log: ["base"],
  raft: ["base"],
  gossip: ["base"],
  auth: ["base"],
  telemetry: ["base"],
  replica: ["base", "log", "raft"],
  membership: ["base", "gossip"],
  transport: ["base", "raft", "gossip"],
  server: ["base", "api"],
  client: ["base", "api"],
  agent: [
    "base",
    "api",
    "log",
    "raft",
    "gossip",
    "auth",
    "telemetry",
    "replica",
    "membership",
    "transport",
    "server",
  ],
  browser: ["base"],
  testing: ["base", "agent", "client"],
  cli: ["base", "api", "auth", "agent", "client", "log"],
};

/** The same for the simulator, which stands beside src/. */
export const SIM_MAY_IMPORT: readonly string[] = [
  "base",
  "log",
  "raft",
  "gossip",
  "replica",
  "membership",
  "transport",
  "api",
];

/**
 * Where it enters the layers of servers, below their sockets and files: what stands behind the front
 * doors of these is much more than it runs.
 */
export const SIM_ENTERS: ReadonlySet<string> = new Set([
  "src/agent/cluster.ts",
  "src/agent/data-log.ts",
  "src/agent/forwarding.ts",
  "src/agent/ports.ts",
  "src/server/consume.ts",
  "src/server/tails.ts",
]);

/** What a web page loads. */
const FOR_BROWSERS: ReadonlySet<string> = new Set(["base", "browser"]);

/** `src/log/store.ts` is of the layer `log`, `sim/disk.ts` of `sim`. */
export function layerOf(path: string): string {
  const parts = path.split("/");
  return (parts[0] === "src" ? parts[1] : parts[0]) ?? "";
}

/** Imports that go against the table, or around a folder's front door. Tests may import anything. */
export function findLayerViolations(sources: readonly Source[]): string[] {
  return sources.filter((source) => !isTest(source.path)).flatMap(violationsOf);
}

function violationsOf(source: Source): string[] {
  const layer = layerOf(source.path);
  const allowed = layer === "sim" ? SIM_MAY_IMPORT : LAYERS[layer];
  if (allowed === undefined) return [`${source.path}: "${layer}" is not a layer`];
  return source.imports.flatMap((specifier) => {
    const target = resolveImport(source, specifier);
    if (target === undefined) {
      const pure = FOR_BROWSERS.has(layer) && specifier.startsWith("node:");
      return pure ? [`${source.path}: ${layer} has no node: import, but "${specifier}"`] : [];
    }
    const other = layerOf(target);
    if (other === layer || (layer === "sim" && SIM_ENTERS.has(target))) return [];
    if (!target.startsWith("src/") || !allowed.includes(other)) {
      return [`${source.path}: "${layer}" may not import "${other}"`];
    }
    return target === `src/${other}/index.ts`
      ? []
      : [`${source.path}: "${other}" is imported through its index.ts, not "${specifier}"`];
  });
}

/** Circles of files that import each other, types included: each as its files in order. */
export function findCycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(" → "));
    const source = byPath.get(path);
    if (at >= 0 || done.has(path) || source === undefined) return;
    for (const specifier of source.imports) {
      const target = resolveImport(source, specifier);
      if (target !== undefined) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const source of sources) visit(source.path, []);
  return cycles;
}
