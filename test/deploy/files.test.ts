/** The other ways to deploy: their files say what the agent, and the program that reads them, accept. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { serve, servicesOf } from "../../deploy/metacontroller/hook.ts";
import type { StatefulSet } from "../../deploy/metacontroller/hook.ts";
import { loadConfig } from "../../src/agent/index.ts";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { makeFolder } from "../support/program.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { root } from "../support/root.ts";
import { needsHelm } from "./support/helm.ts";
import { renderAll } from "./support/rendered.ts";

function read(...path: readonly string[]): string {
  return readFileSync(join(root, ...path), "utf8");
}

const GOSSIP_KEY = Buffer.alloc(32, 7).toString("base64");

describe("compose.yaml", () => {
  interface Service {
    readonly environment: Readonly<Record<string, string>>;
    readonly volumes: readonly string[];
    readonly ports: readonly string[];
    readonly stop_grace_period: string;
    readonly hostname: string;
    readonly read_only: boolean;
    readonly cap_drop: readonly string[];
  }
  const compose = parse(read("compose.yaml"), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>;
    readonly volumes: Readonly<Record<string, unknown>>;
  };
  const services = Object.entries(compose.services);

  /** Of the reference of compose, what this file uses: anything else is a misspelling. */
  const KEYS = [
    ...["image", "build", "restart", "read_only", "tmpfs", "cap_drop", "security_opt", "mem_limit"],
    ...["stop_grace_period", "networks", "hostname", "ports", "volumes", "environment"],
  ];

  test("three servers of known keys, on loopback, each with a volume of its own", () => {
    assert.equal(services.length, 3);
    for (const [name, service] of services) {
      const unknown = Object.keys(service).filter((key) => !KEYS.includes(key));
      assert.deepEqual(unknown, []);
      assert.equal(service.hostname, name);
      assert.deepEqual(service.volumes, [`${name}:/var/lib/proglog`]);
      assert.ok(name in compose.volumes);
      for (const port of service.ports) assert.match(port, /^127\.0\.0\.1:84\d0:8400$/);
      assert.ok(parseInt(service.stop_grace_period) > 30);
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ["ALL"]);
    }
  });

  test("the agent accepts what each is told, once there is a key", async () => {
    for (const [name, { environment }] of services) {
      const { NODE_OPTIONS, PROGLOG_GOSSIP_KEY, ...env } = environment;
      assert.match(PROGLOG_GOSSIP_KEY ?? "", /^\$\{PROGLOG_GOSSIP_KEY:\?/, "it must be given");
      assert.match(NODE_OPTIONS ?? "", /max-old-space-size-percentage/);
      const config = await loadConfig({ env: { ...env, PROGLOG_GOSSIP_KEY: GOSSIP_KEY } });
      assert.equal(config.nodeName, name);
      assert.ok(config.startJoinAddrs.includes(`${name}:8401`));
      assert.equal(config.advertiseRpcAddr, `${name}:8400`);
    }
  });

  test("docker compose reads it, where there is docker compose", (t) => {
    const version = spawnSync("docker", ["compose", "version"], { encoding: "utf8" });
    if (version.status !== 0) {
      t.diagnostic("NOT CHECKED by docker compose, which is not here; its keys were, above");
      return;
    }
    const env = { ...process.env, PROGLOG_GOSSIP_KEY: GOSSIP_KEY };
    const args = ["compose", "-f", join(root, "compose.yaml"), "config", "--quiet"];
    execFileSync("docker", args, { env, stdio: "pipe" });
  });
});

describe("the unit of systemd", () => {
  const unit = read("deploy", "systemd", "proglog.service");

  test(
    "systemd finds nothing to complain of",
    skipUnless(commandExists("systemd-analyze"), "the program systemd-analyze"),
    (t) => {
      const file = join(makeFolder(t), "proglog.service");
      // It asks for the program, which is not installed here.
      writeFileSync(file, unit.replace("/usr/local/bin/proglog", process.execPath));
      const { status, stdout, stderr } = spawnSync(
        ...(["systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" }] as const),
      );
      assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: "" });
      writeFileSync(file, unit.replace("KillMode=mixed", "KilMode=mixed"));
      const planted = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
      assert.match(planted.stderr, /KilMode/);
    },
  );

  test("nothing is begun again that a restart cannot mend", () => {
    const codes = /^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]?.split(" ").map(Number);
    assert.deepEqual(codes, [EXIT.usage, EXIT.removed, EXIT.configuration]);
    assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) > 30);
    assert.doesNotMatch(unit, /^MemoryDenyWriteExecute=yes/m);
  });

  test("the agent accepts the settings beside it", async (t) => {
    const configFile = join(makeFolder(t), "proglog.yaml");
    writeFileSync(configFile, read("deploy", "systemd", "proglog.yaml"));
    const config = await loadConfig({ configFile, env: { PROGLOG_GOSSIP_KEY: GOSSIP_KEY } });
    assert.equal(config.dataDir, "/var/lib/proglog");
    assert.equal(config.healthPort, 8402);
    assert.match(unit, /^StateDirectory=proglog$/m);
    assert.equal(config.startJoinAddrs.length, 3);
  });
});

test("kind's ports are those of the chart's values for it", needsHelm, async () => {
  interface Mapping {
    readonly containerPort: number;
    readonly hostPort: number;
    readonly listenAddress: string;
  }
  const kind = parse(read("deploy", "kind", "kind.yaml")) as {
    readonly nodes: readonly { readonly extraPortMappings?: readonly Mapping[] }[];
  };
  const mappings = kind.nodes.flatMap(({ extraPortMappings = [] }) => extraPortMappings);
  for (const { hostPort, containerPort, listenAddress } of mappings) {
    assert.equal(hostPort, containerPort);
    assert.equal(listenAddress, "127.0.0.1");
  }
  const rendered = JSON.stringify((await renderAll()).get("nodeport"));
  const nodePorts = [...rendered.matchAll(/"nodePort":(\d+)/g)].map(([, port]) => Number(port));
  assert.deepEqual(
    mappings.map(({ hostPort }) => hostPort),
    nodePorts,
  );
});

describe("metacontroller's hook", () => {
  test(
    "one Service for each pod of the chart's StatefulSet, and none for others",
    needsHelm,
    async () => {
      const objects = (await renderAll()).get("metacontroller") ?? [];
      const set = objects.find(({ kind }) => kind === "StatefulSet") as unknown as StatefulSet;
      const services = servicesOf(set) as { metadata: { name: string }; spec: object }[];
      assert.deepEqual(
        services.map(({ metadata }) => metadata.name),
        ["proglog-0-external", "proglog-1-external", "proglog-2-external"],
      );
      assert.deepEqual(services[1]?.spec, {
        type: "LoadBalancer",
        selector: {
          ...set.spec.selector.matchLabels,
          "statefulset.kubernetes.io/pod-name": "proglog-1",
        },
        ports: [{ name: "rpc", port: 8400, targetPort: 8400 }],
      });
      const { annotations, ...metadata } = set.metadata;
      assert.ok(annotations !== undefined);
      assert.deepEqual(servicesOf({ ...set, metadata }), []);
    },
  );

  test("answers metacontroller, and tells it what is wrong", async (t) => {
    const server = serve(0);
    t.after(() => server.close());
    if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sync`;
    const object = (ports: string): object => ({
      metadata: {
        name: "log",
        annotations: { "service-per-pod-label": "pod", "service-per-pod-ports": ports },
      },
      spec: { replicas: 1, selector: { matchLabels: { app: "log" } } },
    });
    const ask = async (body: unknown) => {
      const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
      return { status: response.status, text: await response.text() };
    };
    const good = await ask({ object: object("rpc:8400:8400") });
    assert.equal(good.status, 200);
    assert.match(good.text, /"name":"log-0-external"/);
    const bad = await ask({ object: object("8400") });
    assert.equal(bad.status, 400);
    assert.match(bad.text, /8400 is not name:port:targetPort/);
    assert.equal((await ask(null)).status, 400);
  });
});
