import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { AgentConfig } from "../../src/agent/index.ts";
import { ANY_PEER, issueCertificate } from "../../src/auth/index.ts";
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
  /** Writes another certificate between servers, and who signed it; answers the settings. */
  readonly write: (name: string, peer: KeyPairPem, authority: KeyPairPem) => Partial<AgentConfig>;
  /** Removes the files. */
  readonly remove: () => void;
}

/**
 * Makes a certificate for each of so many servers, or one for all of them, besides the one that they
 * show to clients.
 */
export async function clusterCredentials(
  count: number,
  { isShared = false } = {},
): Promise<ClusterCredentials> {
  const made = await credentials();
  const { authority } = made;
  const folder = mkdtempSync(join(tmpdir(), "proglog-cluster-certs-"));
  const settings: Partial<AgentConfig>[] = [];
  const write = (file: string, content: string): string => {
    const path = join(folder, file);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const writePeer = (name: string, peer: KeyPairPem) => ({
    peerTlsCertFile: write(`${name}-peer.pem`, peer.cert),
    peerTlsKeyFile: write(`${name}-peer-key.pem`, peer.key),
  });
  for (let at = 0; at < count; at++) {
    const name = TestCluster.nameOf(at);
    const named = { name: isShared ? ANY_PEER : name, clusterName: CLUSTER };
    const peer = await issueCertificate({ authority, kind: "peer", ...named });
    const server = writeServerFiles(join(folder, name), made);
    const shared = { clusterName: CLUSTER, peerTlsShared: isShared };
    settings.push({ ...server, ...shared, ...writePeer(name, peer) });
  }
  return {
    made,
    settingsFor: (at) => settings[at] ?? {},
    root: { ...made.root, ca: authority.cert },
    write: (name, peer, { cert }) => ({
      ...writePeer(name, peer),
      peerTlsCaFile: write(`${name}-ca.pem`, cert),
    }),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
