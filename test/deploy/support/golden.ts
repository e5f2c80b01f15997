/** What the chart is known to make: kept as files, so that a change is seen for what it does. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { root } from "../../support/root.ts";
import type { KubeObject } from "./rendered.ts";

function fileOf(name: string): string {
  return join(root, "test", "deploy", "golden", `${name}.yaml`);
}

/** Without the bulk that is a copy of a file of its own. */
export function withoutCopies(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    if (object.kind === "PrometheusRule") return { ...object, spec: "as the file" };
    if (object.data?.["proglog.json"] === undefined) return object;
    return { ...object, data: { "proglog.json": "as the file" } };
  });
}

export function readGolden(name: string): unknown[] {
  return parseAllDocuments(readFileSync(fileOf(name), "utf8")).map(
    (document) => document.toJS() as unknown,
  );
}

export function writeGolden(name: string, objects: readonly KubeObject[]): void {
  const documents = withoutCopies(objects).map((object) => stringify(object, { lineWidth: 0 }));
  writeFileSync(fileOf(name), documents.join("---\n"));
}
