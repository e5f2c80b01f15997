/** What a real API server says of the chart's objects: unknown fields, wrong values, pods that may too much. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { CHART } from "../../test/deploy/support/helm.ts";
import { NAME, NAMESPACE } from "./release.ts";
import type { Context } from "./steps.ts";

const DRY_RUN = ["apply", "--dry-run=server", "--validate=strict", "--namespace", NAMESPACE];

/** Renders each file of values for this server and lets it judge. */
export async function tryEveryValues(context: Context): Promise<string> {
  const files = readdirSync(join(CHART, "ci"));
  let objects = 0;
  for (const file of [...files.map((name) => join(CHART, "ci", name)), context.values]) {
    const input = await render(context, file);
    const { code, stdout, stderr } = await context.release.kubectl(
      [...DRY_RUN, "--filename", "-"],
      {
        input,
      },
    );
    assert.equal(code, 0, `${file}: ${stderr}`);
    // Pod Security only warns of what makes pods.
    assert.doesNotMatch(stderr, /PodSecurity|unknown field|deprecated/i, file);
    objects += stdout.trim().split("\n").length;
  }
  return `${objects} objects of ${files.length + 1} files of values, without a warning`;
}

/** That the server looks at all: it must refuse what we break. */
export async function refuseBadObjects(context: Context): Promise<string> {
  const input = await render(context, context.values);
  const broken: readonly (readonly [string, string, RegExp])[] = [
    [
      "publishNotReadyAddresses",
      "publishNotReadyAddreses",
      /unknown field "spec.publishNotReadyAdd/,
    ],
    ["podManagementPolicy: Parallel", "podManagementPolicy: Paralel", /podManagementPolicy/],
    ["terminationGracePeriodSeconds", "terminationGraceSeconds", /unknown field/],
  ];
  for (const [from, to, said] of broken) {
    assert.ok(input.includes(from), from);
    const options = { input: input.replace(from, to) };
    const { code, stderr } = await context.release.kubectl(
      [...DRY_RUN, "--filename", "-"],
      options,
    );
    assert.notEqual(code, 0, `${to} was accepted`);
    assert.match(stderr, said);
  }
  return `${broken.length} of ${broken.length}`;
}

/** That the namespace is guarded: a pod that asks for no restriction. */
export async function refuseBadPods({ lab }: Context): Promise<string> {
  const container = { name: "c", image: "localhost/proglog:test" };
  const metadata = { name: "may-too-much", namespace: NAMESPACE };
  const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [container] } };
  const { status, body } = await lab.api.ask("POST", `/api/v1/namespaces/${NAMESPACE}/pods`, pod);
  assert.equal(status, 403, JSON.stringify(body));
  const { message } = body as { message: string };
  assert.match(message, /violates PodSecurity "restricted/);
  return "403";
}

/** What `helm install` would send. */
function render({ release }: Context, values: string): Promise<string> {
  return release.helm(["template", NAME, CHART, "--values", values, "--dry-run=server"]);
}
