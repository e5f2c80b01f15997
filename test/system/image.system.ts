/**
 * The image as it is shipped: what it is made of, how it refuses, and three containers of it that are
 * one cluster while they are killed, moved to other addresses and emptied.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Containers, IMAGE, needsContainers, USER } from "./support/containers.ts";
import type { Ended, RunOptions } from "./support/containers.ts";

const DATA = "/var/lib/proglog";
const NETWORK = "proglog-test";
const NAMES = ["log-0", "log-1", "log-2"];
/** Compose's and the chart's grace is longer. */
const STOP_SECONDS = 40;
/** Names of containers that have come and gone are looked up for long. */
const PATIENCE_MS = 180_000;

describe("the image", needsContainers, () => {
  let containers: Containers;
  const gossipKey = randomBytes(32).toString("base64");

  before(() => {
    containers = new Containers();
    containers.build();
  });
  after(() => containers.close());

  /** A server alone. */
  const alone: RunOptions = { env: { PROGLOG_LOG_FORMAT: "text" } };

  test("runs as nobody, from a program and its arguments, and says what it is", () => {
    const config = JSON.parse(containers.inspect(IMAGE, "{{json .Config}}")) as {
      User: string;
      Entrypoint: string[];
      StopSignal: string;
      Labels: Record<string, string>;
    };
    assert.equal(config.User, `${USER}:${USER}`);
    assert.deepEqual(config.Entrypoint.slice(0, 1), ["/nodejs/bin/node"]);
    assert.equal(config.StopSignal, "SIGTERM");
    assert.equal(config.Labels["org.opencontainers.image.licenses"], "Apache-2.0");
    const { code, stdout } = containers.run({}, "--version");
    assert.equal(code, 0);
    assert.equal(stdout.trim(), config.Labels["org.opencontainers.image.version"]);
  });

  test("holds no shell, no tests and none of the tools that built it", () => {
    const shell = containers.run({ more: ["--entrypoint", "/bin/sh"] }, "-c", "true");
    assert.equal(shell.code, 127);
    const list = `const fs = require("fs"); process.stdout.write(JSON.stringify([
      ...fs.readdirSync("/app", { recursive: true }), ...fs.readdirSync("/app/node_modules")]))`;
    const { stdout } = containers.run({ more: ["--entrypoint", "/nodejs/bin/node"] }, "-e", list);
    const files = JSON.parse(stdout) as string[];
    assert.ok(files.includes("dist/cli/main.js"));
    const unwanted = /^dist\/.*\.test\.|^src\/|^(typescript|eslint|tsx|fast-check)$|^\.git/;
    assert.deepEqual(
      files.filter((file) => unwanted.test(file)),
      [],
    );
  });

  test("the bill of materials names exactly the packages that the image holds", () => {
    const read = `process.stdout.write(require("fs").readFileSync(
      "/app/node_modules/.package-lock.json", "utf8"))`;
    const { stdout } = containers.run({ more: ["--entrypoint", "/nodejs/bin/node"] }, "-e", read);
    const { packages } = JSON.parse(stdout) as { packages: Record<string, { version: string }> };
    const held = Object.entries(packages).map(
      ([path, { version }]) => `${path.replace(/^.*node_modules\//, "")}@${version}`,
    );
    const sbom = JSON.parse(containers.must("npm", "run", "--silent", "sbom")) as {
      components: { name: string; version: string }[];
    };
    const named = sbom.components.map(({ name, version }) => `${name}@${version}`);
    assert.ok(held.length > 50);
    assert.deepEqual([...new Set(named)].sort(), [...new Set(held)].sort());
  });

  test("a server alone keeps its records, and ends with 0 when asked", async () => {
    const volumes = [`alone:${DATA}`];
    containers.start({ ...alone, name: "alone", volumes });
    await until(() => containers.logs("alone").includes("ready:"), "it is not ready");
    const produced = exec("alone", "produce", "--value", "kept");
    assert.equal(produced.code, 0, produced.stderr);
    containers.must("podman", "stop", "--time", String(STOP_SECONDS), "alone");
    assert.equal(containers.inspect("alone", "{{.State.ExitCode}}"), "0");
    containers.must("podman", "start", "alone");
    await until(() => exec("alone", "consume").stdout === "kept\n", "the record is not there");
    containers.must("podman", "kill", "--signal", "KILL", "alone");
    containers.must("podman", "start", "alone");
    await until(() => exec("alone", "consume").stdout === "kept\n", "the record is not there");
    containers.must("podman", "rm", "--force", "--volumes", "alone");
  });

  const refusals: readonly (readonly [what: string, code: number, said: RegExp, RunOptions])[] = [
    [
      "a volume that cannot be written",
      78,
      /read-only/,
      { volumes: ["{own}:/var/lib/proglog:ro"] },
    ],
    [
      "a volume of another owner",
      78,
      /permission is denied/,
      { volumes: ["{root}:/var/lib/proglog"] },
    ],
    [
      "certificates that are not there",
      78,
      /\/etc\/proglog\/tls\/tls\.crt/,
      {
        volumes: ["{own}:/var/lib/proglog"],
        env: {
          PROGLOG_SERVER_TLS_CERT_FILE: "/etc/proglog/tls/tls.crt",
          PROGLOG_SERVER_TLS_KEY_FILE: "/etc/proglog/tls/tls.key",
        },
      },
    ],
    [
      "an address for everybody without TLS",
      78,
      /--insecure/,
      { volumes: ["{own}:/var/lib/proglog"], env: { PROGLOG_BIND_ADDR: "0.0.0.0:8401" } },
    ],
  ];
  for (const [what, wanted, said, options] of refusals) {
    test(`${what}: one line, and a code of its own`, () => {
      const folder = join(containers.folder, "volumes", what.replaceAll(" ", "-"));
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, "theirs"), "left alone");
      if (options.volumes?.[0]?.startsWith("{own}") === true) chownSync(folder, USER, USER);
      const volumes = options.volumes?.map((volume) => volume.replace(/^\{\w+\}/, folder)) ?? [];
      const { code, stdout, stderr } = containers.run({ ...options, volumes });
      const lines = stderr
        .trimEnd()
        .split("\n")
        .filter((line) => line.startsWith("proglog:"));
      assert.equal(code, wanted, stderr);
      assert.equal(stdout, "");
      assert.equal(lines.length, 1, stderr);
      assert.match(lines[0] ?? "", said);
      assert.deepEqual(readdirSync(folder), ["theirs"]);
    });
  }

  test("three are one log, through kills, new addresses, an outage of all and an empty disk", () => {
    containers.must("podman", "network", "create", NETWORK);
    for (const name of NAMES) start(name);
    untilWhole(3);
    produce("one");

    // One is killed, and comes back elsewhere: something else has taken its address meanwhile.
    const before = addressOf("log-1");
    containers.must("podman", "kill", "--signal", "KILL", "log-1");
    containers.must("podman", "rm", "log-1");
    containers.start({ ...alone, name: "other", network: NETWORK });
    produce("two");
    start("log-1");
    assert.notEqual(addressOf("log-1"), before);
    untilWhole(3);
    containers.must("podman", "rm", "--force", "--volumes", "other");

    // All go, in order, and all come back, each at another's address.
    const stopped = containers.command("podman", "stop", "--time", String(STOP_SECONDS), ...NAMES);
    assert.equal(stopped.code, 0, stopped.stderr);
    for (const name of NAMES) {
      assert.equal(containers.inspect(name, "{{.State.ExitCode}}"), "0", containers.logs(name));
      containers.must("podman", "rm", name);
    }
    for (const name of NAMES.toReversed()) start(name);
    untilWhole(3);
    produce("three");

    // One loses its disk: a new replica of the old name, which the others let in.
    containers.must("podman", "rm", "--force", "--time", "0", "log-0");
    containers.must("podman", "volume", "rm", "log-0");
    produce("four");
    start("log-0");
    untilWhole(3);
    for (const name of NAMES) {
      const values = exec(name, "consume", "--address", `dns:${name}:8400`).stdout.split("\n");
      const ours = values.filter((value) => value !== "" && !value.startsWith("smoke "));
      assert.deepEqual(ours, ["one", "two", "three", "four"], name);
    }
  });

  function start(name: string): void {
    const others = NAMES.filter((other) => other !== name).map((other) => `${other}:8401`);
    containers.start({
      ...{ name, network: NETWORK, volumes: [`${name}:${DATA}`] },
      env: {
        ...{ PROGLOG_NODE_NAME: name, PROGLOG_BIND_ADDR: "0.0.0.0:8401", PROGLOG_INSECURE: "true" },
        ...{ PROGLOG_ADVERTISE_RPC_ADDR: `${name}:8400`, PROGLOG_GOSSIP_KEY: gossipKey },
        ...{ PROGLOG_START_JOIN_ADDRS: others.join(","), PROGLOG_BOOTSTRAP_EXPECT: "3" },
      },
    });
  }

  function addressOf(name: string): string {
    return containers.inspect(name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
  }

  /** A command line inside a container that runs. */
  function exec(name: string, ...args: readonly string[]): Ended {
    const program = ["/nodejs/bin/node", "/app/dist/cli/main.js"];
    return containers.command("podman", "exec", name, ...program, ...args);
  }

  function produce(value: string): void {
    const { code, stderr } = client("produce", "--value", value, "--timeout", "30");
    assert.equal(code, 0, stderr);
  }

  /** A client in a container of its own. */
  function client(...[command = "", ...args]: readonly string[]): Ended {
    const address = NAMES.map((name) => `${name}:8400`).join(",");
    return containers.run({ network: NETWORK }, command, "--address", address, ...args);
  }

  function untilWhole(servers: number): void {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const asked = ["--servers", String(servers), "--records", "1", "--timeout", "10"];
      const { code, stderr } = client("smoke", ...asked);
      if (code === 0) return;
      const logs = (): string =>
        NAMES.map((name) => `${name}: ${containers.logs(name)}`).join("\n");
      assert.ok(Date.now() < deadline, `${stderr}\n${logs()}`);
    }
  }
});

async function until(holds: () => boolean, why: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(Date.now() < deadline, why);
    await sleep(100);
  }
}
