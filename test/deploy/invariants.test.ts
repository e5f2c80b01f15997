/**
 * What must hold whatever values are given, because a cluster that runs cannot be mended by the next
 * release: identity, quorum, probes, secrets.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { IStatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import type { IService } from "kubernetes-models/v1/Service";
import { loadConfig } from "../../src/agent/index.ts";
import { makeFolder } from "../support/program.ts";
import { needsHelm } from "./support/helm.ts";
import { render, renderAll } from "./support/rendered.ts";
import type { KubeObject } from "./support/rendered.ts";

type Labels = Readonly<Record<string, string>>;

/** The drain that a server is given, and what kubelet's own steps take. */
const DRAIN_SECONDS = 30;

interface Case {
  readonly name: string;
  readonly objects: readonly KubeObject[];
  readonly set: IStatefulSet;
}

function only(objects: readonly KubeObject[], kind: string): KubeObject {
  const [found, ...more] = objects.filter((object) => object.kind === kind);
  assert.ok(found !== undefined && more.length === 0, kind);
  return found;
}

function setOf(objects: readonly KubeObject[]): IStatefulSet {
  return only(objects, "StatefulSet") as IStatefulSet;
}

function all(objects: readonly KubeObject[], kind: string): KubeObject[] {
  return objects.filter((object) => object.kind === kind);
}

function services(objects: readonly KubeObject[]): IService[] {
  return all(objects, "Service") as IService[];
}

async function cases(): Promise<Case[]> {
  return [...(await renderAll())].map(([name, objects]) => {
    return { name, objects, set: setOf(objects) };
  });
}

function podOf(set: IStatefulSet) {
  const template = set.spec?.template;
  const container = template?.spec?.containers[0];
  assert.ok(template?.spec !== undefined && container !== undefined);
  return { labels: template.metadata?.labels ?? {}, spec: template.spec, container };
}

/** Variables of the container, with what Kubernetes puts in for one pod. */
function environmentOf(set: IStatefulSet, pod: string): Map<string, string> {
  const index = pod.replace(/^.*-/, "");
  const { container } = podOf(set);
  const filled = (value: string): string =>
    value.replaceAll("$(POD_NAME)", pod).replaceAll("$(POD_INDEX)", index);
  return new Map((container.env ?? []).map(({ name, value = "" }) => [name, filled(value)]));
}

function isPartOf(part: Labels, whole: Labels): boolean {
  return Object.entries(part).every(([name, value]) => whole[name] === value);
}

describe("whatever the values", needsHelm, () => {
  test("all start at once, and are named by a headless Service that knows them unready", async () => {
    for (const { objects, set } of await cases()) {
      assert.equal(set.spec?.podManagementPolicy, "Parallel");
      const headless = services(objects).find(
        ({ metadata }) => metadata?.name === set.spec?.serviceName,
      );
      assert.equal(headless?.spec?.clusterIP, "None");
      assert.equal(headless.spec.publishNotReadyAddresses, true);
    }
  });

  test("every Service finds servers, and only servers", async () => {
    for (const { objects, set, name } of await cases()) {
      const { labels } = podOf(set);
      const smoke = only(objects, "Pod").metadata as unknown as { labels: Labels };
      for (const { spec, metadata } of services(objects)) {
        const { "statefulset.kubernetes.io/pod-name": pod, ...selector } = spec?.selector ?? {};
        assert.ok(isPartOf(selector, labels), `${name}: ${metadata?.name ?? "?"}`);
        assert.ok(!isPartOf(selector, smoke.labels), `${name}: it would find the test`);
        const isOwn = pod === undefined || /^proglog-\d$/.test(pod);
        assert.ok(isOwn, `${name}: ${pod ?? ""} is no pod`);
      }
    }
  });

  test("probes ask the health port, each for a meaning of its own", async () => {
    for (const { set } of await cases()) {
      const { container } = podOf(set);
      const health = container.ports?.find(({ name }) => name === "health")?.containerPort;
      const { startupProbe, readinessProbe, livenessProbe } = container;
      assert.deepEqual(startupProbe?.grpc, { port: health, service: "startup" });
      assert.deepEqual(readinessProbe?.grpc, { port: health, service: "readiness" });
      assert.deepEqual(livenessProbe?.grpc, { port: health, service: "liveness" });
      const startSeconds = (startupProbe.periodSeconds ?? 0) * (startupProbe.failureThreshold ?? 0);
      assert.ok(startSeconds >= 300, "recovery of a large log takes minutes");
      // Longer than an election, so that one does not empty the Service.
      const away = (readinessProbe.periodSeconds ?? 0) * (readinessProbe.failureThreshold ?? 0);
      assert.ok(away >= 10);
      assert.equal(environmentOf(set, "proglog-0").get("PROGLOG_HEALTH_PORT"), String(health));
    }
  });

  test("one disruption at a time, and for one server no promise of it", async () => {
    for (const { objects, set, name } of await cases()) {
      const budgets = all(objects, "PodDisruptionBudget") as IPodDisruptionBudget[];
      if (set.spec?.replicas === 1) {
        assert.deepEqual(budgets, [], name);
        continue;
      }
      assert.equal(budgets[0]?.spec?.maxUnavailable, 1, name);
      assert.deepEqual(budgets[0].spec.selector, set.spec?.selector);
    }
  });

  test("an odd count, and the same way to begin for every pod", async () => {
    for (const { set } of await cases()) {
      const replicas = set.spec?.replicas ?? 0;
      assert.equal(replicas % 2, 1);
      const expect = Number(environmentOf(set, "proglog-0").get("PROGLOG_BOOTSTRAP_EXPECT"));
      assert.ok(expect >= 1 && expect <= replicas && expect % 2 === 1);
      const { spec } = podOf(set);
      assert.equal(spec.initContainers, undefined);
    }
  });

  test("a pod's name is in its address and in its certificate", async () => {
    for (const { objects, set, name } of await cases()) {
      const env = environmentOf(set, "proglog-2");
      assert.equal(env.get("PROGLOG_NODE_NAME"), "proglog-2");
      const host = "proglog-2.proglog-headless.logs.svc.cluster.local";
      assert.equal(env.get("PROGLOG_ADVERTISE_RPC_ADDR"), `${host}:8400`);
      assert.match(env.get("PROGLOG_START_JOIN_ADDRS") ?? "", /^proglog-headless\.logs\.svc/);
      const uri = "spiffe://proglog/node/proglog-2";
      const tls = podOf(set).spec.volumes?.find((volume) => volume.name === "tls");
      const attributes = tls?.csi?.volumeAttributes;
      if (attributes !== undefined) {
        const filled = JSON.stringify(attributes).replaceAll("${POD_NAME}", "proglog-2");
        assert.ok(filled.includes(host) && filled.includes(uri), name);
      }
      const certificates = all(objects, "Certificate");
      if (certificates.length > 0) {
        const own = certificates.length > 1;
        assert.equal(certificates.length, own ? set.spec?.replicas : 1);
        const text = JSON.stringify(certificates.at(-1)?.spec);
        const filled = own ? text : text.replaceAll("*", "proglog-2");
        assert.ok(filled.includes(`"${host}"`) && filled.includes(`"${uri}"`), name);
        assert.equal(env.get("PROGLOG_PEER_TLS_SHARED"), own ? undefined : "true");
      }
    }
  });

  test("what outsiders are told is a door that is there, in the certificate", async () => {
    const byName = new Map((await cases()).map((one) => [one.name, one]));
    const told = (name: string): string => {
      const set = byName.get(name)?.set;
      assert.ok(set !== undefined);
      return environmentOf(set, "proglog-2").get("PROGLOG_ADVERTISE_EXTERNAL_ADDR") ?? "";
    };
    assert.equal(told("nodeport"), "127.0.0.1:30842");
    assert.equal(told("certificates"), "proglog-2.log.example.com:8400");
    assert.equal(told("gateway"), "proglog-2.log.example.com:443");
    assert.equal(told("metacontroller"), "proglog-2.log.example.com:8400");
    assert.equal(told("default"), "");
    const nodePorts = services(byName.get("nodeport")?.objects ?? [])
      .flatMap(({ spec }) => spec?.ports ?? [])
      .map(({ nodePort }) => nodePort)
      .filter((port) => port !== undefined);
    assert.deepEqual(nodePorts, [30840, 30841, 30842]);
    const gateway = JSON.stringify(byName.get("gateway")?.objects);
    assert.ok(gateway.includes("${POD_NAME}.log.example.com"));
    assert.equal(all(byName.get("gateway")?.objects ?? [], "TLSRoute").length, 5);
  });

  test("names and labels fit, with the hash that Kubernetes appends", async () => {
    const release = "a".repeat(32);
    const objects = await render({ values: "default", release });
    const set = setOf(objects);
    assert.equal(set.metadata?.name?.length, 40);
    for (const value of Object.values(podOf(set).labels)) assert.ok(value.length <= 63);
    // The label controller-revision-hash is the name, a hyphen and ten characters.
    assert.ok(set.metadata.name.length + 11 <= 63);
  });

  test("a server has the time to end in order", async () => {
    for (const { set } of await cases()) {
      const { spec, container } = podOf(set);
      const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
      assert.ok((spec.terminationGracePeriodSeconds ?? 0) > sleep + DRAIN_SECONDS);
      assert.ok(sleep > 0);
    }
  });

  test("the heap stays below the memory limit, and there is no limit of CPU", async () => {
    for (const { set } of await cases()) {
      const limits = podOf(set).container.resources?.limits ?? {};
      assert.ok(limits["memory"] !== undefined);
      assert.equal(limits["cpu"], undefined);
      const options = environmentOf(set, "proglog-0").get("NODE_OPTIONS") ?? "";
      const percent = Number(/--max-old-space-size-percentage=(\d+)/.exec(options)?.[1]);
      assert.ok(percent > 0 && percent <= 75);
    }
  });

  test("every pod passes the restricted standard", async () => {
    for (const { objects, set } of await cases()) {
      const smoke = only(objects, "Pod").spec as ReturnType<typeof podOf>["spec"];
      for (const spec of [podOf(set).spec, smoke]) {
        assert.equal(spec.securityContext?.runAsNonRoot, true);
        assert.equal(spec.securityContext.seccompProfile?.type, "RuntimeDefault");
        assert.equal(spec.automountServiceAccountToken, false);
        assert.equal(spec.enableServiceLinks, false);
        for (const { securityContext } of spec.containers) {
          assert.equal(securityContext?.allowPrivilegeEscalation, false);
          assert.equal(securityContext.readOnlyRootFilesystem, true);
          assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] });
        }
        const kinds = (spec.volumes ?? []).flatMap((volume) => Object.keys(volume));
        const allowed = ["name", "emptyDir", "configMap", "secret", "projected", "csi"];
        assert.deepEqual(
          kinds.filter((kind) => !allowed.includes(kind)),
          [],
        );
      }
    }
  });

  test("no secret stands in an object, and no tag moves", async () => {
    for (const { objects, set } of await cases()) {
      assert.deepEqual(all(objects, "Secret"), []);
      const env = podOf(set).container.env ?? [];
      const key = env.find(({ name }) => name === "PROGLOG_GOSSIP_KEY");
      assert.equal(key?.value, undefined);
      assert.equal(key?.valueFrom?.secretKeyRef?.name, "proglog-gossip");
      for (const { data = {} } of objects.filter(({ kind }) => kind === "ConfigMap")) {
        assert.doesNotMatch(JSON.stringify(data), /gossip-key|PRIVATE KEY/);
      }
      const { image = "" } = podOf(set).container;
      assert.match(image, /:[^:]*\d[^:]*$|@sha256:/);
      assert.doesNotMatch(image, /:latest$/);
    }
  });

  test("the agent accepts what each pod is told", async (t) => {
    for (const { objects, set, name } of await cases()) {
      const configFile = join(makeFolder(t), "proglog.yaml");
      const maps = all(objects, "ConfigMap");
      const config = maps.find(({ data }) => data?.["proglog.yaml"] !== undefined);
      writeFileSync(configFile, config?.data?.["proglog.yaml"] ?? "");
      const env = environmentOf(set, "proglog-1");
      env.delete("PROGLOG_CONFIG_FILE");
      env.set("PROGLOG_GOSSIP_KEY", Buffer.alloc(32, name).toString("base64"));
      const read = await loadConfig({ configFile, env: Object.fromEntries(env) });
      assert.equal(read.nodeName, "proglog-1");
      assert.equal(read.fsync, "always");
      assert.ok(read.bootstrapExpect >= 1);
      assert.equal(read.healthPort, 8402);
      assert.equal(read.insecure, read.serverTlsCertFile === "");
    }
  });
});
