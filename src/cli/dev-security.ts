import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import * as path from "node:path";
import type { AgentConfig } from "../agent/index.ts";
import { initAuthority, issueFromFiles } from "./certificate-files.ts";
import type { CertificateFiles } from "./certificate-files.ts";

const HOSTS = ["localhost", "127.0.0.1", "::1"];
/** Valid for as long as somebody tries something, and not found years later. */
const DAYS = 7;
/** What certificates of servers name. */
const DEV_CLUSTER_NAME = "proglog";
const POLICY = "p, root, *, produce\np, root, *, consume\np, root, *, administer\n";

/** What `dev --secure` made, and how a client is told of it. */
export interface DevSecurity {
  readonly settings: Partial<AgentConfig>;
  /** What only the server of this name is told: its certificate for the others. */
  readonly settingsOf: (name: string) => Partial<AgentConfig>;
  /** Variables with which the command line is `root`. */
  readonly variables: string;
  /** The same for curl. */
  readonly curl: string;
}

/**
 * An authority, a certificate for clients to see, one for each server by its name, two clients', and
 * the book's policy, in a new folder.
 */
export async function makeDevSecurity(
  folder: string,
  names: readonly string[],
): Promise<DevSecurity> {
  const ca = await initAuthority(folder, "proglog dev", DAYS);
  const server = await issueFromFiles(folder, {
    ...{ kind: "server", name: "localhost", days: DAYS },
    hosts: [...HOSTS, hostname()],
  });
  const root = await issueFromFiles(folder, { kind: "client", name: "root", days: DAYS });
  await issueFromFiles(folder, { kind: "client", name: "nobody", days: DAYS });
  const peers = new Map<string, CertificateFiles>();
  for (const name of names) {
    const issued = { kind: "peer", name, days: DAYS, clusterName: DEV_CLUSTER_NAME } as const;
    peers.set(name, await issueFromFiles(folder, issued));
  }
  const aclPolicyFile = path.join(folder, "policy.csv");
  await writeFile(aclPolicyFile, POLICY);
  return {
    settings: {
      serverTlsCertFile: server.cert,
      serverTlsKeyFile: server.key,
      serverTlsCaFile: ca.cert,
      aclPolicyFile,
    },
    settingsOf: (name) => {
      const files = peers.get(name);
      return {
        clusterName: DEV_CLUSTER_NAME,
        peerTlsCertFile: files?.cert ?? "",
        peerTlsKeyFile: files?.key ?? "",
      };
    },
    variables: [
      `PROGLOG_TLS_CA_FILE=${ca.cert}`,
      `PROGLOG_TLS_CERT_FILE=${root.cert}`,
      `PROGLOG_TLS_KEY_FILE=${root.key}`,
    ].join(" "),
    curl: `--cacert ${ca.cert} --cert ${root.cert} --key ${root.key}`,
  };
}
