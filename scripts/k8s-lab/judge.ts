/**
 * The chart's objects before the API server's own code, without a server: what there is where nobody has the
 * half hour that all of build.sh takes.
 *
 *     scripts/k8s-lab/build.sh FOLDER judge && node --import tsx scripts/k8s-lab/judge.ts FOLDER
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { caseNames, type KubeObject, render } from "../../test/deploy/support/rendered.ts";
import { command } from "./commands.ts";

const KUBE_VERSION = "1.36.3";
const program = join(resolve(process.argv[2] ?? "."), "bin", "judge");

interface Judged {
  readonly code: number | null;
  readonly said: string;
}

async function judge(objects: readonly object[], before?: readonly object[]): Promise<Judged> {
  const scratch = mkdtempSync(join(tmpdir(), "proglog-judge-"));
  try {
    const old = join(scratch, "old.json");
    writeFileSync(old, JSON.stringify(before ?? []));
    const { code, stdout, stderr } = await command(program, [old], {
      input: JSON.stringify(objects),
    });
    return { code, said: stdout + stderr };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function renderCase(values: string, ...set: readonly string[]): Promise<readonly KubeObject[]> {
  return render({ values, set, kubeVersion: KUBE_VERSION });
}

/** What must be refused, so that a silence means something. */
const BROKEN: readonly (readonly [from: string, to: string, said: RegExp])[] = [
  ["publishNotReadyAddresses", "publishNotReadyAddreses", /unknown field "spec.publishNotReadyAdd/],
  ['"podManagementPolicy":"Parallel"', '"podManagementPolicy":"Paralel"', /podManagementPolicy: /],
  [
    '"allowPrivilegeEscalation":false',
    '"allowPrivilegeEscalation":true',
    /PodSecurity "restricted/,
  ],
  ['"runAsNonRoot":true', '"runAsNonRoot":false', /PodSecurity "restricted/],
  ['"service":"readiness"', '"servic":"readiness"', /unknown field .*servic/],
  ['"maxUnavailable":1', '"maxUnavailable":-1', /maxUnavailable: Invalid value/],
];

/** Changes of a release that runs, and whether the server lets a StatefulSet change so. */
const CHANGES: readonly (readonly [set: string, allowed: boolean])[] = [
  ["config.log-level=debug", true],
  ["replicas=5,cluster.bootstrapExpect=3", true],
  ["image.tag=0.2.0", true],
  ["resources.limits.memory=2Gi", true],
  ["minReadySeconds=10", true],
  ["persistence.size=20Gi", false],
  ["persistence.storageClass=fast", false],
];

for (const values of caseNames()) {
  const objects = await renderCase(values);
  const { code, said } = await judge(objects);
  console.log(`${values}: ${said.trim()}`);
  assert.equal(code, 0, values);
}

const text = JSON.stringify(await renderCase("default"));
for (const [from, to, wanted] of BROKEN) {
  assert.ok(text.includes(from), from);
  const { code, said } = await judge(JSON.parse(text.replaceAll(from, to)) as object[]);
  assert.equal(code, 1, `${to} was accepted`);
  assert.match(said, wanted);
}
console.log(`${BROKEN.length} of ${BROKEN.length} broken objects are refused`);

const before = await renderCase("default");
for (const [set, allowed] of CHANGES) {
  const after = await renderCase("default", ...set.split(","));
  const { code, said } = await judge(after, before);
  assert.equal(code, allowed ? 0 : 1, `${set}: ${said}`);
  if (!allowed) assert.match(said, /updates to statefulset spec/);
}
console.log(`${CHANGES.length} changes of a release: as the server has it`);
