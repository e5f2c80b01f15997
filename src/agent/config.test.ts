import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { ProglogError } from "../base/index.ts";
import { completeConfig, loadConfig } from "./config.ts";
import type { ConfigSources } from "./config.ts";
import { defaultNodeName, keyOf, labelOf, SETTINGS, variableOf } from "./settings.ts";

/** Loads with a configuration file of this content. */
async function loadWithFile(name: string, content: string, sources: ConfigSources = {}) {
  const directory = await mkdtemp(path.join(tmpdir(), "proglog-config-"));
  try {
    const configFile = path.join(directory, name);
    await writeFile(configFile, content);
    return await loadConfig({ ...sources, configFile });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The message with which the sources are refused. */
async function refusal(refused: Promise<unknown>): Promise<string> {
  const error = await refused.then(
    () => assert.fail("was accepted"),
    (caught: unknown) => ProglogError.from(caught),
  );
  assert.equal(error.code, "CONFIGURATION");
  return error.message;
}

test("the defaults are the book's", async () => {
  const config = await loadConfig({});
  assert.equal(config.dataDir, path.join(tmpdir(), "proglog"));
  assert.equal(config.bindAddr, "127.0.0.1:8401");
  assert.equal(config.rpcPort, 8400);
  assert.equal(config.httpPort, 0);
  assert.equal(config.fsync, "always");
  assert.equal(config.nodeName, "");
  assert.deepEqual(config, completeConfig({}));
});

test("each source overrules the ones before it", async () => {
  const content = "rpc-port: 1\nhttp-port: 1\ncluster-name: from-file\nnode-name: from-file\n";
  const config = await loadWithFile("proglog.yaml", content, {
    defaults: { logLevel: "warn", nodeName: "from-defaults" },
    env: { PROGLOG_RPC_PORT: "2", PROGLOG_HTTP_PORT: "2", PATH: "/bin" },
    flags: { rpcPort: "3" },
  });
  assert.equal(config.rpcPort, 3);
  assert.equal(config.httpPort, 2);
  assert.equal(config.clusterName, "from-file");
  assert.equal(config.nodeName, "from-file");
  assert.equal(config.logLevel, "warn");
});

test("every setting is known by its flag, its variable and its key", () => {
  assert.equal(keyOf("aclModelFile"), "acl-model-file");
  assert.equal(variableOf("httpAllowOrigin"), "PROGLOG_HTTP_ALLOW_ORIGIN");
  const keys = Object.keys(SETTINGS).map(keyOf);
  const book = (
    "data-dir node-name bind-addr rpc-port start-join-addrs bootstrap acl-model-file " +
    "acl-policy-file server-tls-cert-file server-tls-key-file server-tls-ca-file " +
    "peer-tls-cert-file peer-tls-key-file peer-tls-ca-file"
  ).split(" ");
  assert.deepEqual(
    book.filter((key) => !keys.includes(key)),
    [],
  );
});

test("a file may be YAML or JSON, empty, or named by the environment", async () => {
  const yaml = "http-port: auto\nretention-ms: 7d\nhttp-allow-origin:\n  - http://a.example\n";
  const config = await loadWithFile("c.yaml", yaml);
  assert.equal(config.httpPort, "auto");
  assert.equal(config.retentionMs, 7 * 86_400_000);
  assert.deepEqual(config.httpAllowOrigin, ["http://a.example"]);
  const json = await loadWithFile("c.json", '{"segment-bytes": 8192, "bootstrap": true}');
  assert.equal(json.segmentBytes, 8192);
  assert.equal(json.bootstrap, true);
  assert.equal((await loadWithFile("c.yaml", "# nothing\n")).rpcPort, 8400);

  const missing = path.join(tmpdir(), "proglog-no-such-file.yaml");
  const message = await refusal(loadConfig({ env: { PROGLOG_CONFIG_FILE: missing } }));
  assert.ok(message.includes(missing) && message.includes("ENOENT"), message);
});

test("a file that is not a list of settings is refused with its name", async () => {
  for (const [name, content] of [
    ["c.json", "{"],
    ["c.yaml", "a: [1"],
    ["c.yaml", "- 1\n"],
    ["c.yaml", "just text"],
    ["c.yaml", "rpc-port: 1\nrpc-port: 2\n"],
  ] as const) {
    const message = await refusal(loadWithFile(name, content));
    assert.ok(message.includes(name), message);
  }
  assert.match(await refusal(loadConfig({ configFile: tmpdir() })), /EISDIR/);
});

test("an unknown word is an error with a suggestion, wherever it stands", async () => {
  const inFile = await refusal(loadWithFile("c.yaml", "dataDir: /x\nretention-byte: 1\n"));
  assert.match(inFile, /no setting dataDir \(did you mean data-dir\?\)/);
  assert.match(inFile, /no setting retention-byte \(did you mean retention-bytes\?\)/);
  const inEnv = await refusal(loadConfig({ env: { PROGLOG_RPC_PROT: "1" } }));
  assert.match(inEnv, /no setting PROGLOG_RPC_PROT \(did you mean PROGLOG_RPC_PORT\?\)/);
  const inFlags = await refusal(loadConfig({ flags: { nodName: "a" } }));
  assert.match(inFlags, /no setting --nod-name \(did you mean --node-name\?\)/);
  const inCode = () => completeConfig({ rpcPrt: 1 } as Record<string, unknown>);
  assert.throws(inCode, /no setting rpcPrt \(did you mean rpcPort\?\)/);
  const nothingNear = await refusal(loadWithFile("c.yaml", "colour: green\n"));
  assert.doesNotMatch(nothingNear, /did you mean/);
  await refusal(loadWithFile("c.yaml", "__proto__: 1\n"));
});

test("variables of others and empty ones are left alone", async () => {
  const config = await loadConfig({
    env: {
      PROGLOG_REQUIRE_ALL: "1",
      PROGLOG_ADDRESS: "127.0.0.1:1",
      PROGLOG_DATA_DIR: "",
      // What Kubernetes tells a pod about services named proglog, proglog-http and proglog-0.
      PROGLOG_SERVICE_HOST: "10.0.0.1",
      PROGLOG_SERVICE_PORT_RPC: "8400",
      PROGLOG_PORT: "tcp://10.0.0.1:8400",
      PROGLOG_PORT_8400_TCP_ADDR: "10.0.0.1",
      PROGLOG_HTTP_PORT: "tcp://10.0.0.2:8080",
      PROGLOG_0_SERVICE_HOST: "10.0.0.3",
    },
  });
  assert.deepEqual(config, await loadConfig({}));
});

test("each kind of value says what it expected, and all mistakes are told at once", async () => {
  const bad: Record<string, unknown> = {
    rpcPort: "70000",
    httpPort: -1,
    nodeName: "Über",
    bindAddr: "127.0.0.1",
    fsync: "never",
    segmentBytes: "4K",
    retentionMs: "soon",
    bootstrap: "maybe",
    traceSampling: "1.5",
    accessLog: "some",
    logFormat: "xml",
    httpAllowOrigin: "example.org",
    clusterName: "a/b",
    dataDir: 7,
  };
  const message = await refusal(loadConfig({ flags: bad }));
  const lines = message.split("\n");
  assert.equal(lines.length, Object.keys(bad).length);
  for (const name of Object.keys(bad)) {
    const line = lines.find((each) => each.startsWith(`--${keyOf(name)}: `));
    assert.match(line ?? "", / is not /, name);
  }
});

test("a segment of a size that no index can describe is refused, and the range is told", async () => {
  const message = await refusal(loadConfig({ flags: { segmentBytes: "2.1GiB" } }));
  assert.match(message, /"2.1GiB" is not a size from 4096 to 2147483648 bytes/);
});

test("sizes, durations, switches, lists and addresses are read as people write them", async () => {
  const read = async (flags: Record<string, unknown>) => await loadConfig({ flags });
  assert.equal((await read({ segmentBytes: "64MiB" })).segmentBytes, 64 * 2 ** 20);
  assert.equal((await read({ retentionBytes: "1.5GB" })).retentionBytes, 1.5e9);
  assert.equal((await read({ retentionMs: "90m" })).retentionMs, 5_400_000);
  assert.equal((await read({ retentionMs: "250" })).retentionMs, 250);
  assert.equal((await read({ bootstrap: "false" })).bootstrap, false);
  assert.equal((await read({ bootstrap: true })).bootstrap, true);
  assert.deepEqual((await read({ httpAllowOrigin: "http://a:1/, https://b" })).httpAllowOrigin, [
    "http://a:1",
    "https://b",
  ]);
  assert.equal((await read({ bindAddr: "[::1]:0" })).bindAddr, "[::1]:0");
  assert.equal((await read({ traceSampling: "0.25" })).traceSampling, 0.25);
  assert.equal((await read({ traceSampling: 1 })).traceSampling, 1);
  assert.equal((await read({ traceSampling: "auto" })).traceSampling, "auto");
  assert.equal((await read({ telemetry: "false" })).telemetry, false);
  assert.equal((await read({ advertiseRpcAddr: "a.example:1" })).advertiseRpcAddr, "a.example:1");
});

test("a cluster is made in one way, and by servers that can find each other", async () => {
  const env = { PROGLOG_BOOTSTRAP_EXPECT: "3" };
  assert.match(await refusal(loadConfig({ env })), /without --start-join-addrs/);
  const flags = { startJoinAddrs: "127.0.0.1:1", bootstrap: true };
  assert.match(await refusal(loadConfig({ env, flags })), /give one of them/);
  const config = await loadConfig({ env, flags: { startJoinAddrs: "127.0.0.1:1" } });
  assert.equal(config.bootstrapExpect, 3);
  await refusal(loadConfig({ flags: { bootstrapExpect: "three" } }));
  await loadConfig({ flags: { bootstrapExpect: 1 } });
  // Empty asks for nothing.
  await loadWithFile("c.yaml", 'bootstrap-expect: ""\nacl-model-file: ""\n');
});

test("plaintext beyond loopback has to be asked for", async () => {
  assert.match(await refusal(loadConfig({ flags: { bindAddr: "0.0.0.0:8401" } })), /--insecure/);
  await refusal(loadConfig({ flags: { bindAddr: "127.0.0.1.example.org:8401" } }));
  const config = await loadConfig({ flags: { bindAddr: "0.0.0.0:8401", insecure: true } });
  assert.equal(config.insecure, true);
  for (const bindAddr of ["localhost:1", "127.1.2.3:1", "[::1]:1"]) {
    await loadConfig({ flags: { bindAddr } });
  }
});

test("half of what encrypts or decides is refused, and with all of it any address may be bound", async () => {
  const server = { serverTlsCertFile: "c.pem", serverTlsKeyFile: "k.pem" };
  const peer = { peerTlsCertFile: "c.pem", peerTlsKeyFile: "k.pem" };
  const halves: readonly [Record<string, string>, RegExp][] = [
    [{ serverTlsCertFile: "c.pem" }, /cert-file is given without --server-tls-key-file/],
    [{ serverTlsKeyFile: "k.pem" }, /key-file is given without --server-tls-cert-file/],
    [{ serverTlsCaFile: "ca.pem" }, /ca-file is given without --server-tls-cert-file/],
    [{ ...peer, peerTlsKeyFile: "" }, /without --peer-tls-key-file/],
    [{ ...server, ...peer }, /peer-tls-cert-file is given without --server-tls-ca-file/],
    [{ ...server, peerTlsShared: "true" }, /shared is given without --server-tls-ca-file/],
    [{ aclModelFile: "model.conf" }, /model-file is given without --acl-policy-file/],
    [{ aclAudit: "some" }, /is not denied or all/],
  ];
  for (const [flags, says] of halves) assert.match(await refusal(loadConfig({ flags })), says);
  await loadConfig({ flags: { ...server, bindAddr: "0.0.0.0:8401" } });
  await loadConfig({ flags: { ...server, ...peer, serverTlsCaFile: "ca.pem" } });
});

test("one port cannot be both listeners", async () => {
  assert.match(await refusal(loadConfig({ flags: { httpPort: "8400" } })), /are both 8400/);
});

test("addresses that others are told: one that is none, that leads them astray, or that is another's", async () => {
  const key = Buffer.alloc(32, 1).toString("base64");
  const others = { startJoinAddrs: "10.0.0.2:8401", gossipKey: key, insecure: true };
  const beyond = { ...others, bindAddr: "10.0.0.1:8401" };
  const wrong: readonly [Record<string, unknown>, RegExp][] = [
    [
      { advertiseRpcAddr: "0.0.0.0:8400" },
      /--advertise-rpc-addr 0\.0\.0\.0:8400 is where to listen/,
    ],
    [
      { advertiseGossipAddr: "[::]:8401" },
      /--advertise-gossip-addr \[::\]:8401 is where to listen/,
    ],
    [{ advertiseHttpAddr: "a.example:0" }, /--advertise-http-addr a\.example:0 has no port/],
    [{ ...beyond, advertiseRpcAddr: "127.0.0.1:8400" }, /contradicts --bind-addr 10\.0\.0\.1:8401/],
    [{ ...beyond, advertiseGossipAddr: "localhost:8401" }, /on their own machines/],
    [
      { advertiseRpcAddr: "127.0.0.1:8401" },
      /-rpc-addr and --bind-addr are both 127\.0\.0\.1:8401/,
    ],
    [
      { advertiseExternalAddr: "a.example:1", advertiseGossipAddr: "a.example:1" },
      /-external-addr and --advertise-gossip-addr are both a\.example:1/,
    ],
  ];
  for (const [flags, says] of wrong) assert.match(await refusal(loadConfig({ flags })), says);
  const right: readonly Record<string, unknown>[] = [
    { ...beyond, advertiseRpcAddr: "a.example:8400", advertiseGossipAddr: "a.example:8401" },
    // Clients may be here only, and so may everybody who is asked for nothing more.
    { ...beyond, advertiseExternalAddr: "127.0.0.1:8400" },
    { bindAddr: "0.0.0.0:8401", insecure: true, advertiseRpcAddr: "localhost:8400" },
    { advertiseRpcAddr: "10.0.0.1:8400", advertiseHttpAddr: "10.0.0.1:8400" },
  ];
  for (const flags of right) await loadConfig({ flags });
});

test("any host name gives a label", () => {
  assert.match(defaultNodeName(), /^[a-z0-9-]+$/);
  assert.equal(labelOf("proglog-0.proglog.default.svc"), "proglog-0");
  assert.equal(labelOf("My_Mac.local"), "my-mac");
  assert.equal(labelOf("-"), "proglog");
  assert.equal(labelOf(""), "proglog");
});

test("gossip: seeds and keys as lists; beyond loopback a key is needed to join", async () => {
  const key = Buffer.alloc(32, 1).toString("base64");
  const flags = { startJoinAddrs: "a.example:8401, 10.0.0.1:8401", gossipKey: key };
  const config = await loadConfig({ flags });
  assert.deepEqual(config.startJoinAddrs, ["a.example:8401", "10.0.0.1:8401"]);
  assert.deepEqual(config.gossipKey, [key]);
  for (const wrong of ["short", key.slice(1), `${key},x`]) {
    assert.match(await refusal(loadConfig({ flags: { gossipKey: wrong } })), /--gossip-key/);
  }
  const beyond = { bindAddr: "0.0.0.0:1", insecure: true, startJoinAddrs: "10.0.0.1:1" };
  assert.match(await refusal(loadConfig({ flags: beyond })), /needs --gossip-key/);
  await loadConfig({ flags: { ...beyond, gossipKey: key } });
});

test("the autopilot removes nobody who is only started again, and not below what a cluster begins with", () => {
  assert.deepEqual(
    [completeConfig({}).autopilotRemoveAfter, completeConfig({}).autopilotVotersMin],
    [0, 3],
  );
  const autopilotRemoveAfter = 3 * 86_400_000;
  assert.equal(completeConfig({ autopilotRemoveAfter }).autopilotRemoveAfter, 259_200_000);
  assert.throws(
    () => completeConfig({ autopilotRemoveAfter: 59_999 }),
    /--autopilot-remove-after 59999ms: .* give 60s or more/,
  );
  const five = { bootstrapExpect: 5, startJoinAddrs: ["127.0.0.1:1"] };
  assert.doesNotThrow(() => completeConfig(five));
  assert.throws(
    () => completeConfig({ ...five, autopilotRemoveAfter }),
    /--autopilot-voters-min 3 .* give 5 or more/,
  );
});
