import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeFolder } from "../../test/support/program.ts";
import { beginCli, FREE_PORTS, runCli } from "../../test/support/server.ts";

describe("certs", () => {
  test("an authority and certificates of each kind, and nothing that is there is replaced", async (t) => {
    const dir = join(makeFolder(t), "certs");
    const env = { CONFIG_DIR: dir };
    const init = await runCli(["certs", "init"], { env });
    assert.deepEqual(init.stdout, `${join(dir, "ca.pem")}\n${join(dir, "ca-key.pem")}\n`);
    const again = await runCli(["certs", "init"], { env });
    assert.equal(again.code, 78);
    assert.match(again.stderr, /ca\.pem: there is one already/);

    const issue = (...args: readonly string[]) => runCli(["certs", "issue", ...args], { env });
    assert.equal((await issue("--kind", "client", "--name", "root", "--days", "1")).code, 0);
    assert.equal(
      (await issue("--kind", "server", "--name", "a.example", "--host", "127.0.0.1")).code,
      0,
    );
    const peer = await issue("--kind", "peer", "--name", "p-0", "--cluster-name", "c", "--json");
    const { cert } = JSON.parse(peer.stdout) as { cert: string };
    const read = (name: string) => new X509Certificate(readFileSync(join(dir, name)));
    assert.match(read("root.pem").subject, /^CN=root$/m);
    assert.equal(read("a.example.pem").subjectAltName, "DNS:a.example, IP Address:127.0.0.1");
    assert.match(
      String(new X509Certificate(readFileSync(cert)).subjectAltName),
      /URI:spiffe:\/\/c\/node\/p-0/,
    );
    assert.equal((await issue("--kind", "peer", "--name", "*", "--cluster-name", "c")).code, 0);
    assert.equal(read("peers.pem").subjectAltName, "URI:spiffe://c/node/*");
    assert.equal((await issue("--kind", "server", "--name", "*")).code, 78);
    assert.ok(read("root.pem").verify(read("ca.pem").publicKey));
    // One file may be put after the other.
    for (const name of ["ca.pem", "root.pem", "root-key.pem"]) {
      assert.match(readFileSync(join(dir, name), "utf8"), /-----\n$/, name);
    }
    assert.equal(statSync(join(dir, "root-key.pem")).mode & 0o777, 0o600);
    assert.ok(Date.parse(read("root.pem").validTo) - Date.now() < 2 * 86_400_000);
  });

  test("what cannot be made is refused in a sentence", async (t) => {
    const dir = makeFolder(t);
    const issue = (...args: readonly string[]) =>
      runCli(["certs", "issue", "--dir", dir, "--kind", "client", ...args]);
    const none = await issue("--name", "root");
    assert.equal(none.code, 78);
    assert.match(none.stderr, /no authority to sign with: .*ca\.pem.*; see proglog certs init/);
    await runCli(["certs", "init", "--dir", dir]);
    for (const name of ["../root", "ca", "", "a b"]) {
      assert.equal((await issue("--name", name)).code, 78, name);
    }
    assert.equal((await issue("--name", "x", "--kind", "king")).code, 2);
    const peer = await issue("--name", "a.example", "--kind", "peer");
    assert.match(peer.stderr, /a server's name is a DNS label/);
    writeFileSync(join(dir, "ca-key.pem"), "no key");
    assert.match((await issue("--name", "late")).stderr, /the authority's key/);
  });
});

describe("dev --secure", () => {
  test("makes everything itself: who has the variables is root, who has none gets nowhere", async () => {
    const run = beginCli(["dev", "--secure", "--http-port", "0"], FREE_PORTS);
    const [, words = ""] = await run.says(/to be root: export (.+)$/m);
    const [, address = ""] = await run.says(/grpc (\S+),/);
    await run.says(/try: curl -X POST --cacert \S+ --cert \S+ --key \S+ https:/);
    const variables = words.split(" ").map((word) => word.split("=") as [string, string]);
    const env = Object.fromEntries(variables);
    const client = ["--address", address, "--timeout", "20"];
    assert.equal((await runCli(["produce", ...client], { env, input: "hello\n" })).code, 0);
    const read = await runCli(["consume", ...client, "--from", "start"], { env });
    assert.equal(read.stdout, "hello\n");
    const ca = env["PROGLOG_TLS_CA_FILE"] ?? "";
    const stranger = await runCli([
      "servers",
      "--address",
      address,
      "--timeout",
      "1",
      "--tls-ca-file",
      ca,
    ]);
    assert.equal(stranger.code, 1);
    const half = await runCli(["servers", ...client, "--tls-ca-file", ca, "--tls-cert-file", ca]);
    assert.equal(half.code, 78);
    run.signal("SIGTERM");
    assert.equal((await run.ended).code, 0);
    assert.throws(() => statSync(ca), "the certificates go with the server");
  });
});
