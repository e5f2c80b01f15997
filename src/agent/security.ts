import type { Duplex } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import {
  ANY_PEER,
  Authorizer,
  DEFAULT_MODEL,
  ExpiryWatch,
  openTlsFiles,
  parsePolicy,
  Reloaded,
} from "../auth/index.ts";
import type { IdentityRules, Policy, TlsMaterial } from "../auth/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { Gate } from "../server/index.ts";
import type { TlsListenerOptions } from "../transport/index.ts";
import type { AgentConfig } from "./settings.ts";

export interface SecurityOptions {
  /** The data directory's, which certificates of servers must name. */
  readonly clusterName: string;
  readonly logName: string;
  readonly observer: Observer;
  readonly clock?: Clock | undefined;
}

/** What was read of files, and is read again when they change. */
interface Files {
  server?: Reloaded<TlsMaterial>;
  peer?: Reloaded<TlsMaterial>;
  policy?: Reloaded<Policy>;
  /** Of the certificates among them. */
  readonly ends: ExpiryWatch[];
}

/** Certificates, authorities and the access list of a server, as its files say now. */
export class Security implements Disposable {
  /** Absent: nobody is asked who he is, and everybody may do everything. */
  readonly gate: Gate | undefined;
  readonly #authorizer: Authorizer;
  readonly #files: Files;
  readonly #clusterName: string;
  readonly #allowsSharedPeers: boolean;
  /** Made anew when an authority changes. */
  #rules: IdentityRules;
  #peerContext: SecureContextOptions | undefined;

  private constructor(config: AgentConfig, options: SecurityOptions, files: Files) {
    const { logName, observer, clusterName } = options;
    this.#files = files;
    this.#clusterName = clusterName;
    this.#allowsSharedPeers = config.peerTlsShared;
    this.#rules = this.#readRules();
    this.#peerContext = this.#readPeerContext();
    this.#authorizer = new Authorizer({ rules: () => this.#rules, policy: files.policy });
    this.onRenewal(() => {
      this.#rules = this.#readRules();
      this.#peerContext = this.#readPeerContext();
    });
    if (config.peerTlsShared) {
      const reason =
        "whoever has the key of the shared certificate may be any server of the cluster";
      observer.log("warn", "peer.names-not-proved", { reason });
    }
    if (files.policy === undefined && config.serverTlsCaFile === "") return;
    const auditAll = config.aclAudit === "all";
    this.gate = new Gate({ authorizer: this.#authorizer, log: logName, observer, auditAll });
  }

  /** Rejects with `CONFIGURATION` when a file cannot be used; then none is watched any more. */
  static async open(config: AgentConfig, options: SecurityOptions): Promise<Security> {
    const files: Files = { ends: [] };
    // What is not watched does not fail either: an alert must see that there is nothing to see.
    for (const name of ["policy", "server_tls", "peer_tls"]) {
      options.observer.gauge(`${name}_reload_failed`, 0);
    }
    try {
      if (config.serverTlsCertFile !== "") {
        files.server = await openTlsFiles(pathsOf(config, "server"), "server", options);
        files.ends.push(new ExpiryWatch("server", files.server, options));
      }
      if (config.peerTlsCertFile !== "") {
        files.peer = await openTlsFiles(pathsOf(config, "peer"), "peer", options);
        files.ends.push(new ExpiryWatch("peer", files.peer, options));
      }
      if (config.aclPolicyFile !== "") files.policy = await openPolicy(config, options);
      return new Security(config, options, files);
    } catch (error) {
      closeAll(files);
      throw error;
    }
  }

  /** For listeners; undefined where nothing is encrypted. */
  get tls(): TlsListenerOptions | undefined {
    const { context } = this;
    if (context === undefined) return undefined;
    const peer = this.#files.peer === undefined ? undefined : () => this.#peerContext ?? context;
    return { context, asksForCertificate: context.ca !== undefined, peerContext: peer };
  }

  /** What is shown to clients, and who is believed: authorities of peers sign for them alone. */
  get context(): SecureContextOptions | undefined {
    const { server, peer } = this.#files;
    return server && believing(server.value, peer?.value);
  }

  /** What is shown to other servers, and who is believed to be one, when we dial. */
  get dialContext(): SecureContextOptions | undefined {
    return this.#peerContext ?? this.context;
  }

  /**
   * The name that the certificate at the other end gives to a server of this cluster; "any" where it
   * is shared by all of them, and that is allowed.
   */
  peerOf(socket: Duplex): { readonly name: string } | "any" | undefined {
    const { identity } = this.#authorizer.callerOf(socket);
    if (identity.kind !== "peer") return undefined;
    return identity.name === ANY_PEER ? "any" : { name: identity.name };
  }

  /** Calls back when there are new certificates or authorities. */
  onRenewal(listener: () => void): void {
    this.#files.server?.onChange(listener);
    this.#files.peer?.onChange(listener);
  }

  close(): void {
    closeAll(this.#files);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readRules(): IdentityRules {
    const { server, peer } = this.#files;
    const known = new Set(server?.value.authorities.map(({ fingerprint256 }) => fingerprint256));
    const peerAuthorities = (peer?.value.authorities ?? []).filter(
      ({ fingerprint256 }) => !known.has(fingerprint256),
    );
    return {
      clusterName: this.#clusterName,
      peerAuthorities,
      allowsSharedPeers: this.#allowsSharedPeers,
    };
  }

  #readPeerContext(): SecureContextOptions | undefined {
    const { server, peer } = this.#files;
    return peer && believing(peer.value, server?.value);
  }
}

function believing(shown: TlsMaterial, other: TlsMaterial | undefined): SecureContextOptions {
  const ca = [...authoritiesOf(shown), ...(other === undefined ? [] : authoritiesOf(other))];
  return ca.length === 0 ? shown.options : { ...shown.options, ca };
}

function authoritiesOf({ options: { ca } }: TlsMaterial): (string | Buffer)[] {
  return Array.isArray(ca) ? ca : ca === undefined ? [] : [ca];
}

function pathsOf(config: AgentConfig, role: "server" | "peer") {
  const [certFile, keyFile, caFile] =
    role === "server"
      ? [config.serverTlsCertFile, config.serverTlsKeyFile, config.serverTlsCaFile]
      : [config.peerTlsCertFile, config.peerTlsKeyFile, config.peerTlsCaFile];
  return { certFile, keyFile, caFile };
}

function openPolicy(config: AgentConfig, options: SecurityOptions): Promise<Reloaded<Policy>> {
  const { aclModelFile, aclPolicyFile } = config;
  return Reloaded.open({
    ...options,
    name: "policy",
    paths: [aclPolicyFile, ...(aclModelFile === "" ? [] : [aclModelFile])],
    load: ([policy, model]) => parsePolicy(model?.toString() ?? DEFAULT_MODEL, String(policy)),
  });
}

function closeAll({ server, peer, policy, ends }: Files): void {
  for (const files of [...ends, server, peer, policy]) files?.close();
}
