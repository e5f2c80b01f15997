import { readFile, stat } from "node:fs/promises";
import { limits, ProglogError } from "../base/index.ts";
import { advertisedProblems } from "./advertised.ts";
import { keyOf, SETTINGS, variableOf } from "./settings.ts";
import type { AgentConfig, SettingName } from "./settings.ts";
import { nearest } from "./suggest.ts";
import { isLoopback, parseAddress } from "./values.ts";

/** Where settings come from; each source is overruled by the one below it. */
export interface ConfigSources {
  /** In place of the table's own defaults. */
  readonly defaults?: Partial<AgentConfig> | undefined;
  /** A YAML or JSON file of kebab-case keys; when absent, `PROGLOG_CONFIG_FILE` may name one. */
  readonly configFile?: string | undefined;
  /** Variables of the environment; those that begin with `PROGLOG_` must be known. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** By setting name (`dataDir`), with text or typed values. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
}

/** Variables with our prefix that are not the agent's settings. */
const OTHER_VARIABLES = new Set([
  "PROGLOG_CONFIG_FILE",
  // Where the command line finds a server.
  "PROGLOG_ADDRESS",
  // What the command line shows to a server, and whom it believes.
  "PROGLOG_TLS_CA_FILE",
  "PROGLOG_TLS_CERT_FILE",
  "PROGLOG_TLS_KEY_FILE",
  "PROGLOG_TLS_SERVER_NAME",
  // Makes the tests insist on optional peers.
  "PROGLOG_REQUIRE_ALL",
]);

/** A mistyped value is recognised by its beginning. */
const SHOWN_CHARS_MAX = 80;

/** What is of no use without something else: half of an encryption is none. */
const NEEDS: readonly (readonly [SettingName, SettingName])[] = [
  ["serverTlsCertFile", "serverTlsKeyFile"],
  ["serverTlsKeyFile", "serverTlsCertFile"],
  ["serverTlsCaFile", "serverTlsCertFile"],
  ["peerTlsCertFile", "peerTlsKeyFile"],
  ["peerTlsKeyFile", "peerTlsCertFile"],
  ["peerTlsCaFile", "peerTlsCertFile"],
  ["peerTlsCertFile", "serverTlsCaFile"],
  ["aclModelFile", "aclPolicyFile"],
];

const NAMES = Object.keys(SETTINGS) as SettingName[];
const ALL_NAMES: readonly string[] = NAMES;

/** One value as it was given, and what the person who gave it calls it. */
interface Given {
  readonly value: unknown;
  readonly calledBy: string;
}

/**
 * Merges the sources, checks every value, and says everything that is wrong at once. Rejects with
 * `CONFIGURATION`.
 */
export async function loadConfig(sources: ConfigSources): Promise<AgentConfig> {
  const problems: string[] = [];
  const given = new Map<string, Given>();
  const env = sources.env ?? {};
  const configFile = sources.configFile ?? nonEmpty(env["PROGLOG_CONFIG_FILE"]);
  if (configFile !== undefined) {
    takeFile(await readConfigFile(configFile), configFile, given, problems);
  }
  takeVariables(env, given, problems);
  takeFlags(sources.flags ?? {}, given, problems);
  return finish(given, sources.defaults ?? {}, problems);
}

/** The same for a program that embeds an agent: fills in the defaults and checks. */
export function completeConfig(settings: Partial<AgentConfig>): AgentConfig {
  const problems: string[] = [];
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(settings) as [string, unknown][]) {
    if (value === undefined) continue;
    if (ALL_NAMES.includes(name)) given.set(name, { value, calledBy: name });
    else problems.push(`there is no setting ${name}${didYouMean(name, ALL_NAMES)}`);
  }
  return finish(given, {}, problems);
}

async function readConfigFile(file: string): Promise<unknown> {
  let content: string;
  try {
    const { size } = await stat(file);
    if (size > limits.configFileBytesMax) {
      throw new Error(`it has ${size} bytes, more than ${limits.configFileBytesMax}`);
    }
    content = await readFile(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
  try {
    if (file.endsWith(".json")) return JSON.parse(content);
    // Loaded for those who have such a file.
    const { parse } = await import("yaml");
    return parse(content);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): ProglogError {
  const { message } = ProglogError.from(cause);
  return new ProglogError("CONFIGURATION", `the configuration file ${file}: ${message.trim()}`, {
    cause,
  });
}

function takeFile(
  content: unknown,
  file: string,
  given: Map<string, Given>,
  problems: string[],
): void {
  // A file of comments only, or an empty one, says nothing.
  if (content === null || content === undefined) return;
  if (typeof content !== "object" || Array.isArray(content)) {
    problems.push(`${file} is not a list of settings, like "rpc-port: 8400"`);
    return;
  }
  const names = new Map(ALL_NAMES.map((name) => [keyOf(name), name]));
  for (const [key, value] of Object.entries(content) as [string, unknown][]) {
    const name = names.get(key);
    if (name === undefined) {
      problems.push(`${file}: there is no setting ${key}${didYouMean(key, names.keys())}`);
    } else if (value !== null) {
      given.set(name, { value, calledBy: `${file}: ${key}` });
    }
  }
}

function takeVariables(
  env: Readonly<Record<string, string | undefined>>,
  given: Map<string, Given>,
  problems: string[],
): void {
  const names = new Map(ALL_NAMES.map((name) => [variableOf(name), name]));
  for (const [variable, value] of Object.entries(env)) {
    // An empty variable is an absent one, as compose files and charts write them.
    if (!variable.startsWith("PROGLOG_") || value === undefined || value === "") continue;
    if (OTHER_VARIABLES.has(variable) || isServiceLink(variable, value)) continue;
    const name = names.get(variable);
    if (name !== undefined) given.set(name, { value, calledBy: variable });
    else {
      const known = [...names.keys(), ...OTHER_VARIABLES];
      problems.push(`there is no setting ${variable}${didYouMean(variable, known)}`);
    }
  }
}

/**
 * Kubernetes gives every pod variables about the services around it; for a service named `proglog`
 * or `proglog-http` they begin with our prefix, and `PROGLOG_HTTP_PORT` may be `tcp://10.0.0.1:80`.
 */
function isServiceLink(variable: string, value: string): boolean {
  if (/^PROGLOG_(?:\w+_)?SERVICE_(?:HOST|PORT(?:_\w+)?)$/.test(variable)) return true;
  if (/_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(variable)) return true;
  return variable.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(value);
}

function takeFlags(
  flags: Readonly<Record<string, unknown>>,
  given: Map<string, Given>,
  problems: string[],
): void {
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    if (ALL_NAMES.includes(name)) given.set(name, { value, calledBy: `--${keyOf(name)}` });
    else {
      const known = ALL_NAMES.map((other) => `--${keyOf(other)}`);
      const flag = `--${keyOf(name)}`;
      problems.push(`there is no setting ${flag}${didYouMean(flag, known)}`);
    }
  }
}

function finish(
  given: ReadonlyMap<string, Given>,
  defaults: Partial<AgentConfig>,
  problems: string[],
): AgentConfig {
  const config: Record<string, unknown> = {};
  for (const name of NAMES) {
    const { schema, fallback } = SETTINGS[name];
    const from = given.get(name);
    if (from === undefined) {
      config[name] = defaults[name] ?? fallback();
      continue;
    }
    const result = schema.safeParse(from.value);
    if (result.success) config[name] = result.data;
    else {
      const issue = result.error.issues[0]?.message ?? "is not accepted";
      problems.push(`${from.calledBy}: ${shown(from.value)} ${issue}`);
    }
  }
  if (problems.length === 0) checkTogether(config as unknown as AgentConfig, problems);
  if (problems.length > 0) throw new ProglogError("CONFIGURATION", problems.join("\n"));
  return config as unknown as AgentConfig;
}

/** What no single value can tell. */
function checkTogether(config: AgentConfig, problems: string[]): void {
  const host = parseAddress(config.bindAddr)?.host ?? "";
  const hasTls = config.serverTlsCertFile !== "";
  if (!isLoopback(host) && !hasTls && !config.insecure) {
    problems.push(
      `--bind-addr ${config.bindAddr} is not a loopback address, and without TLS whoever reaches ` +
        "it may read and write everything: give --server-tls-cert-file, bind to 127.0.0.1, or " +
        "accept that with --insecure",
    );
  }
  for (const [name, needed] of NEEDS) {
    if (config[name] === "" || config[needed] !== "") continue;
    problems.push(`--${keyOf(name)} is given without --${keyOf(needed)}`);
  }
  if (config.peerTlsShared && config.serverTlsCaFile === "") {
    problems.push("--peer-tls-shared is given without --server-tls-ca-file");
  }
  if (!isLoopback(host) && config.startJoinAddrs.length > 0 && config.gossipKey.length === 0) {
    problems.push(
      `--start-join-addrs with --bind-addr ${config.bindAddr}: gossip beyond loopback needs ` +
        "--gossip-key (head -c 32 /dev/urandom | base64)",
    );
  }
  if (config.bootstrap && config.bootstrapExpect > 0) {
    problems.push(
      "--bootstrap makes a cluster of one at once, and --bootstrap-expect one together with " +
        "others: give one of them",
    );
  }
  if (config.bootstrapExpect > 1 && config.startJoinAddrs.length === 0) {
    problems.push(
      `--bootstrap-expect ${config.bootstrapExpect} without --start-join-addrs: the others would ` +
        "not be found",
    );
  }
  problems.push(...advertisedProblems(config), ...autopilotProblems(config));
  for (const other of ["rpcPort", "httpPort"] as const) {
    if (config.healthPort === 0 || config.healthPort === "auto") continue;
    if (config.healthPort !== config[other]) continue;
    problems.push(
      `--health-port and --${keyOf(other)} are both ${config.healthPort}: health is told in ` +
        "plaintext on a port of its own, so choose another",
    );
  }
  if (config.httpPort !== 0 && config.httpPort === config.rpcPort) {
    problems.push(
      `--http-port and --rpc-port are both ${config.rpcPort}: the RPC port answers HTTP too, ` +
        "so leave --http-port out or choose another",
    );
  }
}

function autopilotProblems(config: AgentConfig): string[] {
  const { autopilotRemoveAfter: afterMs, autopilotVotersMin, bootstrapExpect } = config;
  if (afterMs === 0) return [];
  const problems: string[] = [];
  if (afterMs < limits.autopilotRemoveAfterMsMin) {
    problems.push(
      `--autopilot-remove-after ${afterMs}ms: a server that is only started again must not be ` +
        `taken for gone, so give ${limits.autopilotRemoveAfterMsMin / 1_000}s or more`,
    );
  }
  const least = Math.max(bootstrapExpect, 1);
  if (autopilotVotersMin < least) {
    problems.push(
      `--autopilot-voters-min ${autopilotVotersMin} is less than the cluster begins with: ` +
        `give ${least} or more`,
    );
  }
  return problems;
}

function didYouMean(word: string, known: Iterable<string>): string {
  const meant = nearest(word, known);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** A value for an error message: short, on one line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  return (text ?? typeof value).slice(0, SHOWN_CHARS_MAX);
}
