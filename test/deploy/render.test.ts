/** What helm makes of the chart, for each set of values that it is meant for. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { root } from "../support/root.ts";
import { readGolden, withoutCopies } from "./support/golden.ts";
import { CHART, helm, needsHelm, template } from "./support/helm.ts";
import { caseNames, renderAll } from "./support/rendered.ts";
import type { KubeObject } from "./support/rendered.ts";
import { modelOf, typeErrors } from "./support/typed.ts";
import type { Named } from "./support/typed.ts";

interface Model {
  validate(): void;
}

async function allObjects(): Promise<Named[]> {
  return [...(await renderAll())].flatMap(([from, objects]) =>
    objects.map((object) => ({ from, object })),
  );
}

describe("the chart, rendered", needsHelm, () => {
  test("helm finds nothing to complain of", async () => {
    const files = caseNames().flatMap((name) => ["-f", join(CHART, "ci", `${name}-values.yaml`)]);
    const lints = await Promise.all(
      [0, 2, 4, 6, 8, 10, 12].map((at) =>
        helm(["lint", "--strict", CHART, ...files.slice(at, at + 2)]),
      ),
    );
    assert.equal(files.length, 14);
    for (const { code, stdout } of lints) {
      assert.equal(code, 0, stdout);
      assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    }
  });

  test("the compiler knows every field of every object, and refuses a misspelled one", async () => {
    const objects = await allObjects();
    const service = objects.find(({ object }) => object.kind === "Service");
    assert.ok(service !== undefined);
    const spec = { ...(service.object.spec as object), publishNotReadyAddreses: true };
    const planted: Named = { from: "planted", object: { ...service.object, spec } };
    const [found = "", ...more] = typeErrors([...objects, planted]);
    assert.match(found, /^planted: Service .*publishNotReadyAddreses.* does not exist/);
    assert.deepEqual(more, []);
  });

  test("the validators accept every object", async () => {
    let validated = 0;
    for (const { from, object } of await allObjects()) {
      const path = modelOf(object);
      if (path === undefined) continue;
      const models = (await import(path)) as Record<string, new (object: KubeObject) => Model>;
      const Kind = models[object.kind];
      assert.ok(Kind !== undefined, `${path} has no ${object.kind}`);
      assert.doesNotThrow(() => new Kind(object).validate(), `${from}: ${object.kind}`);
      validated += 1;
    }
    assert.ok(validated > 40, `only ${validated} objects were validated`);
  });

  test("what is rendered is what is known", async () => {
    for (const [name, objects] of await renderAll()) {
      assert.deepEqual(withoutCopies(objects), readGolden(name), `ci/${name}-values.yaml`);
    }
  });

  test("alerts and dashboard are the files that are tested elsewhere", async () => {
    const objects = (await renderAll()).get("gateway") ?? [];
    const rule = objects.find(({ kind }) => kind === "PrometheusRule");
    const file = readFileSync(join(root, "deploy", "prometheus-rules.yaml"), "utf8");
    assert.deepEqual(rule?.spec, parse(file));
    const dashboard = objects.find(({ data }) => data?.["proglog.json"] !== undefined);
    const json = readFileSync(join(root, "deploy", "grafana", "proglog.json"), "utf8");
    assert.deepEqual(JSON.parse(dashboard?.data?.["proglog.json"] ?? ""), JSON.parse(json));
  });

  test("an older Kubernetes gets what it knows", async () => {
    const { code, stdout, stderr } = await template({ values: "default", kubeVersion: "1.27.0" });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout, /preStop/);
    const older = await template({ values: "default", kubeVersion: "1.26.0" });
    assert.match(older.stderr, /requires kubeVersion: >=1\.27\.0-0/);
  });
});
