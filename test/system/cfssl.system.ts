/** Certificates that the book's tool makes, and the tools that people try a server with. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect } from "../../src/client/index.ts";
import { makeFolder, runProgram } from "../support/program.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { root } from "../support/root.ts";
import { AgentProcess } from "./support/agent.ts";

const MAIN = join(root, "dist", "cli", "main.js");
const tools = ["cfssl", "cfssljson", "make", "curl", "openssl"];
const missing = tools.filter((tool) => !commandExists(tool));

const GET = String.raw`GET /?offset=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

/** A program that may fail: its exit code, and all it said. */
function attempt(
  program: string,
  args: readonly string[],
  input = "",
): { code: number; said: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", input });
  return { code: status ?? -1, said: `${stdout}${stderr}` };
}

describe("cfssl's files", skipUnless(missing.length === 0, missing.join(", ")), () => {
  test("serve a server and its clients: our own, curl, openssl, the command line", async (t) => {
    const folder = makeFolder(t);
    runProgram("make", ["gencert", `CONFIG_PATH=${folder}`]);
    const file = (name: string): string => join(folder, name);
    await using agent = new AgentProcess({
      dataDir: join(folder, "data"),
      flags: [
        ...[
          "--server-tls-cert-file",
          file("server.pem"),
          "--server-tls-key-file",
          file("server-key.pem"),
        ],
        ...["--server-tls-ca-file", file("ca.pem")],
        ...["--acl-model-file", file("model.conf"), "--acl-policy-file", file("policy.csv")],
      ],
    });
    const address = await agent.ready;
    assert.match(agent.stderr, /what clients may do stands in/);
    const pair = (name: string) => ({
      ca: readFileSync(file("ca.pem")),
      cert: readFileSync(file(`${name}-client.pem`)),
      key: readFileSync(file(`${name}-client-key.pem`)),
    });
    await using client = connect(address, { tls: pair("root") });
    assert.equal((await client.produce({ value: Buffer.from("by our client") })).offset, 0);
    await using other = connect(address, { tls: pair("nobody") });
    await assert.rejects(other.produce({ value: Buffer.from("x") }), { code: "PERMISSION_DENIED" });

    const as = (name: string): string[] => [
      ...["--cert", file(`${name}-client.pem`), "--key", file(`${name}-client-key.pem`)],
    ];
    const curl = ["-sS", "-m", "20", "--cacert", file("ca.pem")];
    const record = '{"record":{"value":"TGV0J3MgR28gIzEK"}}';
    const url = `https://${address}`;
    const posted = attempt("curl", [...curl, ...as("root"), "-X", "POST", url, "-d", record]);
    assert.deepEqual(posted, { code: 0, said: '{"offset":1}\n' });
    const denied = attempt("curl", [...curl, ...as("nobody"), "-X", "POST", url, "-d", record]);
    assert.match(denied.said, /nobody not permitted to produce to \*/);
    assert.notEqual(attempt("curl", [...curl, url]).code, 0, "without a certificate");
    assert.notEqual(attempt("curl", [...curl, ...as("root"), "--tls-max", "1.2", url]).code, 0);
    assert.notEqual(attempt("curl", ["-sS", "-m", "20", `http://${address}/healthz`]).code, 0);
    assert.match(attempt("curl", [...curl, ...as("nobody"), `${url}/healthz`]).said, /ok/);

    const tls = ["s_client", "-quiet", "-connect", address, "-CAfile", file("ca.pem")];
    const asRoot = ["-cert", file("root-client.pem"), "-key", file("root-client-key.pem")];
    const openssl = (args: readonly string[]): string => {
      // It ends with its input, so the input lasts until the answer is there.
      const script = `(printf '${GET}'; sleep 2) | openssl "$@"`;
      const options = { encoding: "utf8", timeout: 20_000 } as const;
      return spawnSync("/bin/sh", ["-c", script, "sh", ...tls, ...args], options).stdout;
    };
    assert.match(openssl([...asRoot, "-tls1_3"]), /"value":"TGV0J3MgR28gIzEK"/);
    assert.equal(openssl([...asRoot, "-tls1_2"]), "");
    assert.equal(openssl(["-tls1_3"]), "");

    const cli = [MAIN, "servers", "--address", address, "--tls-ca-file", file("ca.pem")];
    const mine = ["--tls-cert-file", asRoot[1] ?? "", "--tls-key-file", asRoot[3] ?? ""];
    assert.match(runProgram(process.execPath, [...cli, ...mine]), /voter/);
    const refused = attempt(process.execPath, [...cli, "--timeout", "2"]);
    assert.equal(refused.code, 1, refused.said);
  });

  test("what proglog certs makes serves as well, and cfssl's authority may sign with it", (t) => {
    const folder = makeFolder(t);
    runProgram("make", ["gencert", `CONFIG_PATH=${folder}`]);
    const certs = [MAIN, "certs", "issue", "--dir", folder, "--cluster-name", "proglog"];
    const peer = ["--kind", "peer", "--name", "proglog-0", "--host", "127.0.0.1"];
    runProgram(process.execPath, [...certs, ...peer]);
    const file = join(folder, "proglog-0.pem");
    runProgram("openssl", ["verify", "-CAfile", join(folder, "ca.pem"), file]);
    const text = runProgram("openssl", ["x509", "-in", file, "-noout", "-text"]);
    assert.match(text, /URI:spiffe:\/\/proglog\/node\/proglog-0/);
  });
});
