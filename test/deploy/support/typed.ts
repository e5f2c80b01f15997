/**
 * Rendered objects as TypeScript: each becomes a literal of its kind's interface, and the compiler
 * refuses what the interface does not know. A validator of JSON schemas would let a misspelled field
 * pass, because Kubernetes' schemas are open.
 */
import { join } from "node:path";
import ts from "typescript";
import { root } from "../../support/root.ts";
import type { KubeObject } from "./rendered.ts";

/** Where the interface of each kind is. */
const MODELS: Readonly<Record<string, string>> = {
  "v1 ConfigMap": "kubernetes-models/v1/ConfigMap",
  "v1 Pod": "kubernetes-models/v1/Pod",
  "v1 Service": "kubernetes-models/v1/Service",
  "v1 ServiceAccount": "kubernetes-models/v1/ServiceAccount",
  "apps/v1 StatefulSet": "kubernetes-models/apps/v1/StatefulSet",
  "networking.k8s.io/v1 NetworkPolicy": "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
  "policy/v1 PodDisruptionBudget": "kubernetes-models/policy/v1/PodDisruptionBudget",
  "cert-manager.io/v1 Certificate":
    "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate",
  "monitoring.coreos.com/v1 PodMonitor":
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
  "monitoring.coreos.com/v1 PrometheusRule":
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
};

/** No package has a model of it; from the Gateway API's description of version 1. */
const TLS_ROUTE = `interface ITLSRoute {
  apiVersion: "gateway.networking.k8s.io/v1";
  kind: "TLSRoute";
  metadata: { name: string; labels: Record<string, string> };
  spec: {
    parentRefs: { name: string; namespace?: string; sectionName?: string; port?: number }[];
    hostnames: string[];
    rules: { name?: string; backendRefs: { name: string; port: number; weight?: number }[] }[];
  };
}`;

export interface Named {
  readonly from: string;
  readonly object: KubeObject;
}

/** The module that has a kind's interface and validator; undefined where none does. */
export function modelOf({ apiVersion, kind }: KubeObject): string | undefined {
  return MODELS[`${apiVersion} ${kind}`];
}

/** What the compiler says against the objects; nothing when all is well. */
export function typeErrors(objects: readonly Named[]): string[] {
  const file = join(root, "test", "deploy", "rendered.ts");
  const source = sourceOf(objects);
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ["lib.es2015.d.ts"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  host.fileExists = (path) => path === file || fileExists(path);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version, ...more) =>
    path === file
      ? ts.createSourceFile(path, source, version)
      : getSourceFile(path, version, ...more);
  const program = ts.createProgram([file], options, host);
  const lines = source.split("\n");
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const text = ts.flattenDiagnosticMessageText(found.messageText, " ");
    if (found.file?.fileName !== file) return text;
    const { line } = found.file.getLineAndCharacterOfPosition(found.start ?? 0);
    return `${nameAbove(lines, line)}: ${text}`;
  });
}

function sourceOf(objects: readonly Named[]): string {
  const used = new Set(objects.map(({ object }) => modelOf(object)).filter((path) => path));
  const imports = [...used].map((path) => {
    const kind = path?.split("/").at(-1) ?? "";
    return `import type { I${kind} } from "${path ?? ""}";`;
  });
  const literals = objects.map(({ from, object }, at) => {
    const { kind, metadata } = object;
    const literal = JSON.stringify(object, null, 1);
    return `// ${from}: ${kind} ${metadata.name}\nexport const o${at}: I${kind} = ${literal};`;
  });
  return [...imports, TLS_ROUTE, ...literals].join("\n");
}

/** The comment above a line says which object it belongs to. */
function nameAbove(lines: readonly string[], from: number): string {
  for (let line = from; line >= 0; line--) {
    const text = lines[line] ?? "";
    if (text.startsWith("// ")) return text.slice(3);
  }
  return "?";
}
