import { hostname, tmpdir } from "node:os";
import * as path from "node:path";
import { limits } from "../base/index.ts";
import type { LogLevel } from "../base/index.ts";
import * as values from "./values.ts";
import type { ValueSchema } from "./values.ts";

/** Everything an agent can be told. Each field is described, once, in `SETTINGS`. */
export interface AgentConfig {
  readonly dataDir: string;
  /** Empty: the data directory's own; for a new one the host name. */
  readonly nodeName: string;
  /** Empty: the data directory's own; for a new one `proglog`. */
  readonly clusterName: string;
  readonly bindAddr: string;
  /** 0: any free port. */
  readonly rpcPort: number;
  /** 0: no HTTP listener of its own; `auto`: any free port. */
  readonly httpPort: number | "auto";
  /** 0: none; `auto`: any free port. */
  readonly healthPort: number | "auto";
  readonly httpAllowOrigin: readonly string[];
  readonly insecure: boolean;
  /** Paths of PEM files, empty for none: what clients are shown, and who signs clients. */
  readonly serverTlsCertFile: string;
  readonly serverTlsKeyFile: string;
  readonly serverTlsCaFile: string;
  /** The same between servers. */
  readonly peerTlsCertFile: string;
  readonly peerTlsKeyFile: string;
  readonly peerTlsCaFile: string;
  /** Whether one certificate may be that of all servers. */
  readonly peerTlsShared: boolean;
  /** Casbin's; empty: the book's model, and no access list at all. */
  readonly aclModelFile: string;
  readonly aclPolicyFile: string;
  readonly aclAudit: "denied" | "all";
  readonly bootstrap: boolean;
  /** 0: no cluster is made together with others. */
  readonly bootstrapExpect: number;
  /** 0: no server is ever removed but by an operator. */
  readonly autopilotRemoveAfter: number;
  /** At least so many voters stay. */
  readonly autopilotVotersMin: number;
  /** Empty: the address that is listened on. */
  readonly advertiseRpcAddr: string;
  readonly advertiseHttpAddr: string;
  /** Empty: the address that is gossiped on. */
  readonly advertiseGossipAddr: string;
  /** Empty: none. */
  readonly advertiseExternalAddr: string;
  readonly startJoinAddrs: readonly string[];
  /** In base64, the one to encrypt with first. Empty: plaintext, on loopback only. */
  readonly gossipKey: readonly string[];
  /** Empty: off. */
  readonly serfRpcAddr: string;
  /** Empty: whoever reaches it may ask. */
  readonly serfRpcAuth: string;
  readonly fsync: "always" | "relaxed";
  readonly segmentBytes: number;
  /** 0: without limit. */
  readonly retentionBytes: number;
  readonly retentionMs: number;
  /** 0: no scrub. */
  readonly scrubBytesPerSecond: number;
  /** 0: as fast as it goes. */
  readonly catchUpBytesPerSecond: number;
  readonly logLevel: LogLevel;
  /** `auto`: words where a person looks, JSON elsewhere. */
  readonly logFormat: "auto" | "json" | "text";
  readonly accessLog: "off" | "errors" | "all";
  /** Metrics and traces. */
  readonly telemetry: boolean;
  /** 0 to 1; `auto`: as `OTEL_TRACES_SAMPLER` says, else one in a hundred. */
  readonly traceSampling: number | "auto";
  /** Empty: none. */
  readonly debugTelemetry: string;
}

export type SettingName = keyof AgentConfig;

export interface Setting<T> {
  /** What follows the flag in the help; a switch has none and may be followed by true or false. */
  readonly argument?: string;
  readonly description: string;
  readonly schema: ValueSchema<T>;
  readonly fallback: () => T;
  /** How the help words the default, where the value would not say it. */
  readonly fallbackText?: string;
}

/**
 * The one table of settings. A setting's flag, its key in a file and its variable follow from its
 * name: `dataDir` is `--data-dir`, `data-dir` and `PROGLOG_DATA_DIR`.
 */
export const SETTINGS: { readonly [Name in SettingName]: Setting<AgentConfig[Name]> } = {
  dataDir: {
    argument: "<directory>",
    description: "where the log is kept",
    schema: values.text("a path"),
    fallback: () => path.join(tmpdir(), "proglog"),
    fallbackText: "proglog in the temporary directory",
  },
  nodeName: {
    argument: "<name>",
    description: "this server's stable name, a DNS label",
    schema: values.dnsLabel,
    fallback: () => "",
    fallbackText: "the data directory's; for a new one the host name",
  },
  clusterName: {
    argument: "<name>",
    description: "the cluster's name, checked whenever servers meet",
    schema: values.clusterName,
    fallback: () => "",
    fallbackText: "the data directory's; for a new one proglog",
  },
  bindAddr: {
    argument: "<host:port>",
    description: "the gossip address; RPC and HTTP listen on its host",
    schema: values.address,
    fallback: () => "127.0.0.1:8401",
  },
  rpcPort: {
    argument: "<port>",
    description: "gRPC, and HTTP for clients that speak it; 0: any free port",
    schema: values.port,
    fallback: () => 8400,
  },
  httpPort: {
    argument: "<port>",
    description: "HTTP on a port of its own; 0: off, auto: any free port",
    schema: values.optionalPort,
    fallback: () => 0,
  },
  healthPort: {
    argument: "<port>",
    description: "health and metrics in plaintext, for kubelets and Prometheus; 0: off",
    schema: values.optionalPort,
    fallback: () => 0,
  },
  httpAllowOrigin: {
    argument: "<origins>",
    description: "web pages that may use the HTTP API, separated by commas",
    schema: values.origins,
    fallback: () => [],
    fallbackText: "none",
  },
  insecure: {
    description: "allow plaintext beyond loopback: whoever reaches the port may do everything",
    schema: values.flag,
    fallback: () => false,
  },
  serverTlsCertFile: {
    argument: "<file>",
    description: "this server's certificate, in PEM; with it nothing is plaintext any more",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "none",
  },
  serverTlsKeyFile: {
    argument: "<file>",
    description: "the key of that certificate",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "none",
  },
  serverTlsCaFile: {
    argument: "<file>",
    description: "who signs clients: with it each must show a certificate",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "none",
  },
  peerTlsCertFile: {
    argument: "<file>",
    description: "the certificate that servers show each other",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "the one for clients",
  },
  peerTlsKeyFile: {
    argument: "<file>",
    description: "the key of that certificate",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "none",
  },
  peerTlsCaFile: {
    argument: "<file>",
    description: "who signs servers; if it is another one, whoever it signs is a server",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "none",
  },
  peerTlsShared: {
    description: "one certificate may be all servers': it proves the cluster, and not which server",
    schema: values.flag,
    fallback: () => false,
  },
  aclModelFile: {
    argument: "<file>",
    description: "a Casbin model",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "subject, object and action must be equal",
  },
  aclPolicyFile: {
    argument: "<file>",
    description: "a Casbin policy: lines like p, root, *, produce",
    schema: values.optionalText("a path"),
    fallback: () => "",
    fallbackText: "everybody may do everything",
  },
  aclAudit: {
    argument: "<denied|all>",
    description: "which decisions of the policy are told",
    schema: values.oneOf("denied", "all"),
    fallback: () => "denied",
  },
  bootstrap: {
    description:
      "make a cluster of one, which others join (what a server without others does anyway)",
    schema: values.flag,
    fallback: () => false,
  },
  bootstrapExpect: {
    argument: "<number>",
    description: "make one cluster together with others, once so many expect the same; 0: off",
    schema: values.count(limits.bootstrapExpectMax),
    fallback: () => 0,
  },
  autopilotRemoveAfter: {
    argument: "<duration>",
    description: "remove servers that were gone for so long, like 3d; 0: never, an operator does",
    schema: values.duration,
    fallback: () => 0,
  },
  autopilotVotersMin: {
    argument: "<number>",
    description: "that removes nobody when fewer voters than this would be left",
    schema: values.count(limits.raftMembersMax),
    fallback: () => 3,
  },
  advertiseRpcAddr: {
    argument: "<host:port>",
    description: "the RPC address that clients are told",
    schema: values.optionalAddress,
    fallback: () => "",
    fallbackText: "the one listened on",
  },
  advertiseHttpAddr: {
    argument: "<host:port>",
    description: "the HTTP address that clients are told",
    schema: values.optionalAddress,
    fallback: () => "",
    fallbackText: "the one listened on",
  },
  advertiseGossipAddr: {
    argument: "<host:port>",
    description: "the gossip address that other servers are told",
    schema: values.optionalAddress,
    fallback: () => "",
    fallbackText: "the one listened on",
  },
  advertiseExternalAddr: {
    argument: "<host:port>",
    description: "an address for clients outside the network, told as the tag external_addr",
    schema: values.optionalAddress,
    fallback: () => "",
    fallbackText: "none",
  },
  startJoinAddrs: {
    argument: "<addresses>",
    description: "gossip addresses of other servers, tried until one answers, separated by commas",
    schema: values.addresses,
    fallback: () => [],
    fallbackText: "those that were there before",
  },
  gossipKey: {
    argument: "<keys>",
    description: "encrypts gossip: 16, 24 or 32 bytes in base64; older keys after commas",
    schema: values.gossipKeys,
    fallback: () => [],
    fallbackText: "none: plaintext on loopback only",
  },
  serfRpcAddr: {
    argument: "<host:port>",
    description: "a loopback port for Serf's own tools (serf members -rpc-addr)",
    schema: values.optionalAddress,
    fallback: () => "",
    fallbackText: "off",
  },
  serfRpcAuth: {
    argument: "<token>",
    description: "what Serf's tools must know (serf members -rpc-auth)",
    schema: values.optionalText("a token"),
    fallback: () => "",
    fallbackText: "none",
  },
  fsync: {
    argument: "<always|relaxed>",
    description: "relaxed acknowledges before the disk does, for development only",
    schema: values.oneOf("always", "relaxed"),
    fallback: () => "always",
  },
  segmentBytes: {
    argument: "<size>",
    description: "a segment is closed when it has reached this size",
    schema: values.bytes(limits.segmentBytesMin, limits.segmentBytesHighest),
    fallback: () => limits.segmentBytesMax,
    fallbackText: "128MiB",
  },
  retentionBytes: {
    argument: "<size>",
    description: "delete the oldest segments beyond this size; 0: keep everything",
    schema: values.bytes(0),
    fallback: () => 0,
  },
  retentionMs: {
    argument: "<duration>",
    description: "delete segments older than this, like 7d; 0: keep everything",
    schema: values.duration,
    fallback: () => 0,
  },
  scrubBytesPerSecond: {
    argument: "<size>",
    description: "re-read sealed segments in the background at this rate; 0: off",
    schema: values.bytes(0),
    fallback: () => limits.scrubBytesPerSecond,
    fallbackText: "8MiB",
  },
  catchUpBytesPerSecond: {
    argument: "<size>",
    description: "read old entries for a server that is behind at this rate; 0: as fast as it goes",
    schema: values.bytes(0),
    fallback: () => limits.catchUpBytesPerSecond,
    fallbackText: "32MiB",
  },
  logLevel: {
    argument: "<debug|info|warn|error>",
    description: "the least important events to tell on standard error",
    schema: values.oneOf("debug", "info", "warn", "error"),
    fallback: () => "info",
  },
  logFormat: {
    argument: "<auto|json|text>",
    description: "JSON lines for programs or words for people; auto: words on a terminal",
    schema: values.oneOf("auto", "json", "text"),
    fallback: () => "auto",
  },
  accessLog: {
    argument: "<off|errors|all>",
    description: "a line for each call, or for each that failed",
    schema: values.oneOf("off", "errors", "all"),
    fallback: () => "off",
  },
  telemetry: {
    description: "measure, and trace where OTEL_EXPORTER_OTLP_ENDPOINT says to whom",
    schema: values.flag,
    fallback: () => true,
  },
  traceSampling: {
    argument: "<ratio>",
    description: "share of the calls to trace whose callers do not say; auto: OTEL_TRACES_SAMPLER",
    schema: values.ratio,
    fallback: () => "auto",
    fallbackText: "auto, and without that variable 0.01",
  },
  debugTelemetry: {
    argument: "<directory>",
    description: "write all metrics and traces to files in this directory, to look at a short run",
    schema: values.optionalText("a path"),
    // The variable counts for embedded servers too: `npm test -- --debug-telemetry` sets it.
    fallback: () => process.env["PROGLOG_DEBUG_TELEMETRY"] ?? "",
    fallbackText: "none",
  },
};

/** `dataDir` → `data-dir`: the key in a file, and with two hyphens the flag. */
export function keyOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `dataDir` → `PROGLOG_DATA_DIR`. */
export function variableOf(name: string): string {
  return `PROGLOG_${keyOf(name).replaceAll("-", "_").toUpperCase()}`;
}

/** The name of a new data directory when none was chosen. */
export function defaultNodeName(): string {
  return labelOf(hostname());
}

/** A DNS label from a host name: its first part, without what a label may not hold. */
export function labelOf(host: string): string {
  const first = (host.split(".")[0] ?? "").toLowerCase();
  const label = first.replace(/[^a-z0-9]+/g, "-").slice(0, 63);
  return label.replace(/^-+|-+$/g, "") || "proglog";
}
