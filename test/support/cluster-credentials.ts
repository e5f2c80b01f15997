import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { AgentConfig } from "../../src/agent/index.ts";
import { issueCertificate } from "../../src/auth/index.ts";
import type { KeyPairPem } from "../../src/auth/index.ts";
import { TestCluster } from "./cluster.ts";
import { CLUSTER, credentials, writeServerFiles } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";

/** What `connect` is told to be somebody. */
export interface ClientTlsPem extends KeyPairPem {
  readonly ca: string;
}

/** Certificates for the servers of a cluster, and for its clients. */
export interface ClusterCredentials {
  readonly made: Credentials;
  /** The settings of the server of a place: certificates, the book's policy. */
  readonly settingsFor: (at: number) => Partial<AgentConfig>;
  /** The client who may do everything. */
  readonly root: ClientTlsPem;
  /** Removes the files. */
  readonly remove: () => void;
}

/** Makes a certificate for each of so many servers, besides the one that all show to clients. */
export async function clusterCredentials(count: number): Promise<ClusterCredentials> {
  const made = await credentials();
  const { authority } = made;
  const folder = mkdtempSync(join(tmpdir(), "proglog-cluster-certs-"));
  const settings: Partial<AgentConfig>[] = [];
  for (let at = 0; at < count; at++) {
    const name = TestCluster.nameOf(at);
    const peer = await issueCertificate({ authority, kind: "peer", name, clusterName: CLUSTER });
    const own = join(folder, name);
    const server = writeServerFiles(own, made);
    const write = (file: string, content: string): string => {
      writeFileSync(join(own, file), content, { mode: 0o600 });
      return join(own, file);
    };
    settings.push({
      ...server,
      clusterName: CLUSTER,
      peerTlsCertFile: write("peer.pem", peer.cert),
      peerTlsKeyFile: write("peer-key.pem", peer.key),
    });
  }
  return {
    made,
    settingsFor: (at) => settings[at] ?? {},
    root: { ...made.root, ca: authority.cert },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
