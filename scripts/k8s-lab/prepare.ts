/** What an operator makes before the chart: a namespace, volumes, secrets, certificates. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { root } from "../../test/support/root.ts";
import { must } from "./commands.ts";
import { DNS_DOMAIN } from "./files.ts";
import { NAME, NAMESPACE } from "./release.ts";
import type { Context } from "./steps.ts";

/** The most that the chart is scaled to. */
export const PODS_MAX = 5;
/** Some are used up by the server that loses its disk. */
const VOLUMES = PODS_MAX + 2;

/** The chart's defaults, but for what must be said. */
export const VALUES = {
  image: { repository: "localhost/proglog", tag: "test" },
  gossip: { existingSecret: "proglog-gossip" },
  tls: { mode: "secret", existingSecret: "proglog-tls" },
  smoke: { existingSecret: "proglog-root" },
  persistence: { size: "1Gi" },
};

/** As the chart's README has it, by `proglog certs`. */
export async function makeCertificates(folder: string): Promise<void> {
  mkdirSync(folder, { mode: 0o700 });
  const certs = (...args: readonly string[]): Promise<string> =>
    must(process.execPath, [
      join(root, "dist", "cli", "main.js"),
      "certs",
      ...args,
      "--dir",
      folder,
    ]);
  await certs("init");
  const service = `${NAME}.${NAMESPACE}.svc`;
  for (let at = 0; at < PODS_MAX; at++) {
    const pod = `${NAME}-${at}`;
    const names = [`${pod}.${NAME}-headless.${NAMESPACE}.svc.${DNS_DOMAIN}`, service];
    const hosts = [...names, `${service}.${DNS_DOMAIN}`].flatMap((host) => ["--host", host]);
    await certs("issue", "--kind", "peer", "--name", pod, "--cluster-name", "proglog", ...hosts);
  }
  await certs("issue", "--kind", "client", "--name", "root");
}

export async function prepare(context: Context, certificates: string): Promise<void> {
  const { release } = context;
  await release.mustKubectl(["create", "namespace", NAMESPACE]);
  const level = (mode: string): string => `pod-security.kubernetes.io/${mode}=restricted`;
  const levels = [level("enforce"), level("warn"), level("audit")];
  await release.mustKubectl(["label", "namespace", NAMESPACE, ...levels]);
  await applyAll(context, [storageClass(), ...volumes(context.folder)]);
  await release.mustKubectl(["apply", "--server-side", "--filename", context.kinds]);
  const secret = (name: string, ...from: readonly string[]): Promise<string> =>
    release.mustKubectl(["-n", NAMESPACE, "create", "secret", "generic", name, ...from]);
  await secret("proglog-gossip", `--from-literal=gossip-key=${randomBytes(32).toString("base64")}`);
  const file = (key: string, name: string): string =>
    `--from-file=${key}=${join(certificates, name)}`;
  const peers = Array.from({ length: PODS_MAX }, (_, at) => `${NAME}-${at}`).flatMap((pod) => [
    file(`${pod}.crt`, `${pod}.pem`),
    file(`${pod}.key`, `${pod}-key.pem`),
  ]);
  await secret("proglog-tls", file("ca.crt", "ca.pem"), ...peers);
  const own = [file("tls.crt", "root.pem"), file("tls.key", "root-key.pem")];
  await secret("proglog-root", file("ca.crt", "ca.pem"), ...own);
}

async function applyAll({ release }: Context, objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  await release.mustKubectl(["apply", "--filename", "-"], { input });
}

function storageClass(): object {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: {
      name: "lab",
      annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
    },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
  };
}

/** Every machine reaches every volume, as with disks of a cloud's zone: a pod may move, its data stay its own. */
function volumes(folder: string): object[] {
  const term = { key: "kubernetes.io/os", operator: "In", values: ["linux"] };
  return Array.from({ length: VOLUMES }, (_, at) => {
    const path = join(folder, "volumes", String(at));
    mkdirSync(path, { recursive: true });
    return {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: `volume-${at}` },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity: { storage: "1Gi" },
        local: { path },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [term] }] } },
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "lab",
      },
    };
  });
}
