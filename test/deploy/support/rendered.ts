/** What the chart makes of each file of `ci/`, rendered once for all tests of a process. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { CHART, template } from "./helm.ts";
import type { TemplateOptions } from "./helm.ts";

/** An object of Kubernetes, of any kind. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> };
  readonly spec?: unknown;
  readonly data?: Record<string, string>;
}

export type Rendered = ReadonlyMap<string, readonly KubeObject[]>;

export function caseNames(): string[] {
  return readdirSync(join(CHART, "ci"))
    .map((file) => file.replace(/-values\.yaml$/, ""))
    .sort();
}

let rendered: Promise<Rendered> | undefined;

export function renderAll(): Promise<Rendered> {
  rendered ??= Promise.all(
    caseNames().map(async (values) => [values, await render({ values })] as const),
  ).then((cases) => new Map(cases));
  return rendered;
}

/** Throws with helm's words when it refuses. Sorted by kind and name. */
export async function render(options: TemplateOptions): Promise<readonly KubeObject[]> {
  const { code, stdout, stderr } = await template(options);
  if (code !== 0) throw new Error(stderr);
  const documents = parseAllDocuments(stdout, { merge: false });
  const objects = documents.map((document) => document.toJS() as KubeObject | null);
  return objects
    .filter((object) => object !== null)
    .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
}

function placeOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.name}`;
}
