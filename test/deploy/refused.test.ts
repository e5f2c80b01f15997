/** Values that do not fit: refused before anything reaches a cluster, with what to do. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { makeFolder } from "../support/program.ts";
import { needsHelm, template } from "./support/helm.ts";
import { renderAll } from "./support/rendered.ts";

/** The values that are changed, what is changed, and what is said. */
const REFUSED: readonly (readonly [values: string, set: string, said: RegExp])[] = [
  // One value alone.
  ["default", "replicas=4", /replicas: 4 is even, .*: set it to 3 or 5/],
  ["default", "replicas=0", /'\/replicas': minimum: got 0, want 1/],
  ["default", "replicsa=3", /additional properties 'replicsa' not allowed/],
  ["default", "config.fysnc=always", /'\/config': additional properties 'fysnc' not allowed/],
  ["default", "config.fsync=sometimes", /'\/config\/fsync': value must be one of 'always'/],
  ["default", "tls.mode=maybe", /'\/tls\/mode': value must be one of 'csi'/],
  ["default", "ports.rpc=70000", /'\/ports\/rpc': maximum: got 70,?000, want 65,?535/],
  ["default", "heapPercent=90", /'\/heapPercent': maximum: got 90, want 75/],
  ["default", "image.tag=latest", /image\.tag: latest .*: name a version/],
  ["default", "fullnameOverride=Log", /'\/fullnameOverride': 'Log' does not match pattern/],
  ["default", "podManagementPolicy=OrderedReady", /properties 'podManagementPolicy' not allowed/],
  // Secrets that are missing.
  ["default", "gossip.existingSecret=", /gossip\.existingSecret: .* kubectl create secret generic/],
  ["default", "tls.issuer.name=", /tls\.issuer\.name: .* name it, or choose tls\.mode secret/],
  [
    "single",
    "tls.existingSecret=",
    /tls\.existingSecret: tls\.mode secret needs a Secret with ca\.crt/,
  ],
  ["default", "tls.existingSecret=x", /tls\.existingSecret is given, .*: set tls\.mode to secret/],
  // Contradictions.
  ["nodeport", "tls.insecure=false", /tls\.mode: disabled .*: accept that by tls\.insecure=true/],
  ["default", "tls.insecure=true", /tls\.insecure: true contradicts tls\.mode csi: take it out/],
  ["default", "tls.shared=true", /tls\.shared: true is for tls\.mode certificates and secret/],
  ["nodeport", "acl.policy=p", /acl: without TLS nobody can say who he is/],
  ["default", "acl.existingConfigMap=x", /acl: .* both given: take one of them out/],
  ["default", "cluster.bootstrapExpect=5", /cluster\.bootstrapExpect: 5 .* only 3: lower it/],
  [
    "gateway",
    "cluster.bootstrapExpect=2",
    /cluster\.bootstrapExpect: 2 is even: write down the odd/,
  ],
  ["default", "terminationGracePeriodSeconds=30", /terminationGracePeriodSeconds: .* more than 33/],
  ["default", "resources.limits=null", /resources\.limits\.memory: .* give a limit, like 1Gi/],
  // The doors for clients outside.
  ["default", "externalAccess.mode=loadBalancer", /externalAccess\.domain: .*: give the domain/],
  [
    "default",
    "externalAccess.domain=x.org",
    /externalAccess\.domain is given, .* take the domain out/,
  ],
  [
    "default",
    "externalAccess.nodePort.host=h",
    /nodePort\.host is given, .*\.mode is none: set the mode/,
  ],
  [
    "default",
    "externalAccess.tlsRoute.gateway.name=g",
    /tlsRoute\.gateway is given, .* set the mode/,
  ],
  ["default", "externalAccess.mode=nodePort", /nodePort\.host: say what clients dial/],
  ["nodeport", "externalAccess.nodePort.basePort=30841", /basePort: 30841 does not end in 0/],
  ["gateway", "externalAccess.tlsRoute.gateway.name=", /gateway\.name: name the Gateway/],
];

describe("the chart refuses", needsHelm, () => {
  test("what does not fit, in words", async () => {
    const told = await Promise.all(
      REFUSED.map(async ([values, set, said]) => ({
        ...(await template({ values, set: [set] })),
        ...{ set, said },
      })),
    );
    for (const { set, said, code, stderr, stdout } of told) {
      assert.equal(code, 1, `${set} was accepted`);
      assert.match(stderr, said);
      assert.equal(stdout, "");
    }
  });

  test("names that are too long, and an older Kubernetes for what it lacks", async () => {
    const long = await template({ values: "default", release: "l".repeat(40) });
    assert.match(long.stderr, /has 48 characters, .* set fullnameOverride/);
    const old = await template({ values: "nodeport", kubeVersion: "1.27.3" });
    assert.match(old.stderr, /nodePort needs .* of Kubernetes 1\.28, and this is v1\.27\.3/);
  });

  test("what Kubernetes could not change", async (t) => {
    const kubeconfig = await clusterThatRuns(t);
    const again = await template({ values: "default", kubeconfig });
    assert.equal(again.code, 0, again.stderr);
    for (const [set, said] of [
      ["persistence.size=20Gi", /persistence\.size: 10Gi cannot become 20Gi, .* set it back/],
      [
        "persistence.storageClass=fast",
        /storageClass: the default class cannot become fast, .* set/,
      ],
      ["cluster.name=other", /cluster\.name: proglog cannot become other: .* set it back/],
    ] as const) {
      const { code, stderr } = await template({ values: "default", set: [set], kubeconfig });
      assert.equal(code, 1, `${set} was accepted`);
      assert.match(stderr, said);
    }
  });
});

/** What the chart's objects are called in the paths of an API server. */
const RESOURCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  v1: {
    ConfigMap: "configmaps",
    Pod: "pods",
    Service: "services",
    ServiceAccount: "serviceaccounts",
  },
  "apps/v1": { StatefulSet: "statefulsets" },
  "policy/v1": { PodDisruptionBudget: "poddisruptionbudgets" },
};

/** What an API server answers to those who ask what it has. */
function discovery(): Record<string, unknown> {
  const lists = Object.entries(RESOURCES).map(([groupVersion, kinds]) => {
    const resources = Object.entries(kinds).map(([kind, name]) => {
      return { kind, name, singularName: "", namespaced: true, verbs: ["get"] };
    });
    const path = groupVersion === "v1" ? "/api/v1" : `/apis/${groupVersion}`;
    return [path, { kind: "APIResourceList", groupVersion, resources }] as const;
  });
  const groups = ["apps", "policy"].map((name) => {
    const version = { groupVersion: `${name}/v1`, version: "v1" };
    return { name, versions: [version], preferredVersion: version };
  });
  return {
    ...Object.fromEntries(lists),
    "/version": { major: "1", minor: "34", gitVersion: "v1.34.0" },
    "/api": { kind: "APIVersions", versions: ["v1"] },
    "/apis": { kind: "APIGroupList", apiVersion: "v1", groups },
  };
}

/** As much of an API server as helm asks when it looks at what runs; answers its kubeconfig. */
async function clusterThatRuns(t: TestContext): Promise<string> {
  const objects = (await renderAll()).get("default") ?? [];
  const set = objects.find(({ kind }) => kind === "StatefulSet");
  const owner = {
    "meta.helm.sh/release-name": "proglog",
    "meta.helm.sh/release-namespace": "logs",
  };
  const annotations = { ...set?.metadata.annotations, ...owner };
  const running = { ...set, metadata: { ...set?.metadata, annotations } };
  const path = "/apis/apps/v1/namespaces/logs/statefulsets/proglog";
  const answers: Readonly<Record<string, unknown>> = { ...discovery(), [path]: running };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const answer = answers[pathname];
    const missing = { kind: "Status", status: "Failure", reason: "NotFound", code: 404 };
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? missing));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const file = join(makeFolder(t), "kubeconfig");
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "here" },
    clusters: [{ name: "here", cluster: { server: `http://127.0.0.1:${port}` } }],
    contexts: [{ name: "here", context: { cluster: "here", user: "here" } }],
    users: [{ name: "here", user: {} }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
