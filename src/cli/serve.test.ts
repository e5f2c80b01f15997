/** The commands that serve: what they say, and how they end. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect as connectSocket, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeFolder } from "../../test/support/program.ts";
import {
  beginCli,
  CLI,
  FREE_PORTS,
  runCli,
  startCli,
  startServer,
} from "../../test/support/server.ts";
import type { CliRun } from "../../test/support/server.ts";

const READY = /^proglog (\S+) ready: http (\S+), grpc (\S+), gossip \S+, data (.+), pid (\d+)$/m;

async function serverOf(run: CliRun): Promise<{ http: string; grpc: string; dataDir: string }> {
  const [, , http = "", grpc = "", dataDir = ""] = await run.says(READY);
  return { http, grpc, dataDir };
}

const agentIn = (folder: string): string[] => ["agent", "--data-dir", join(folder, "data")];

describe("agent", () => {
  test("one line says that it is ready, another what to try; SIGTERM ends it with 0", async (t) => {
    const run = beginCli(agentIn(makeFolder(t)), FREE_PORTS);
    const { http, dataDir } = await serverOf(run);
    assert.equal(existsSync(join(dataDir, "meta.json")), true);
    const [, command = ""] = await run.says(/^proglog: try: curl -X POST (.*)$/m);
    const [, address, body] = /^(\S+) -d '(.*)'$/.exec(command) ?? [];
    assert.equal(address, http);
    const answer = await fetch(`http://${http}`, { method: "POST", body: body ?? "" });
    assert.deepEqual(await answer.json(), { offset: 0 });
    run.signal("SIGTERM");
    const { code, stdout, stderr } = await run.ended;
    assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
    assert.match(stderr, /no access list/);
    assert.doesNotMatch(stderr, /relaxed/);
    await assert.rejects(fetch(`http://${http}`));
  });

  test("a signal during the start ends it with 0 too, and nothing is left", async (t) => {
    const args = agentIn(makeFolder(t));
    const run = beginCli(args, FREE_PORTS);
    run.signal("SIGTERM");
    assert.deepEqual(await run.ended, { code: 0, stdout: "", stderr: "" });
    assert.equal((await runCli(["log", "verify", args[2] ?? ""])).code, 78);
  });

  test("with --json everything it says is JSON", async (t) => {
    const run = beginCli([...agentIn(makeFolder(t)), "--json", "--fsync", "relaxed"], FREE_PORTS);
    await run.says(/"event":"ready"/);
    run.signal("SIGINT");
    const { code, stderr } = await run.ended;
    assert.equal(code, 0);
    const events = stderr.trimEnd().split("\n");
    const ready = events.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.match(String(ready.at(-1)?.["rpc_address"]), /^127\.0\.0\.1:\d+$/);
    assert.equal(ready.at(-1)?.["pid"], process.pid);
  });

  test("relaxed fsync, and data where it may vanish, do not go unsaid", async (t) => {
    const folder = makeFolder(t);
    const run = beginCli([...agentIn(folder), "--fsync", "relaxed"], FREE_PORTS);
    await serverOf(run);
    await run.says(/fsync is relaxed/);
    run.signal("SIGTERM");
    assert.equal((await run.ended).code, 0);
  });

  test("a directory or a port that is taken is 69, with the name of the holder", async (t) => {
    const { dataDir, rpcAddress } = await startServer(t);
    const locked = await runCli(["agent", "--data-dir", dataDir], { env: FREE_PORTS });
    assert.equal(locked.code, 69);
    assert.match(locked.stderr, new RegExp(`${dataDir} is in use by process ${process.pid}`));

    const port = rpcAddress.split(":")[1] ?? "";
    for (const flag of ["--rpc-port", "--http-port"]) {
      const args = [...agentIn(makeFolder(t)), flag, port];
      const taken = await runCli(args, { env: FREE_PORTS });
      assert.equal(taken.code, 69);
      assert.match(taken.stderr, new RegExp(`${rpcAddress} is .*in use`));
      assert.doesNotMatch(taken.stderr, / ready:/);
    }
  });

  test("a directory of another format, or none at all, is 78", async (t) => {
    const folder = makeFolder(t);
    const run = beginCli(agentIn(folder), FREE_PORTS);
    const { dataDir } = await serverOf(run);
    run.signal("SIGTERM");
    await run.ended;
    const meta = join(dataDir, "meta.json");
    const content = await readFile(meta, "utf8");
    await writeFile(meta, content.replace('"formatVersion": 1', '"formatVersion": 1000'));
    const foreign = await runCli(agentIn(folder), { env: FREE_PORTS });
    assert.equal(foreign.code, 78);
    assert.match(foreign.stderr, /meta\.json.*1000/);
    const noDirectory = await runCli(["agent", "--data-dir", meta], { env: FREE_PORTS });
    assert.equal(noDirectory.code, 78);
  });

  test("a second signal ends at once what waits for a slow client", async (t) => {
    const run = beginCli(agentIn(makeFolder(t)), FREE_PORTS);
    const { http } = await serverOf(run);
    const socket = connectSocket(Number(http.split(":")[1]), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    await once(socket, "connect");
    // The request has arrived when a later one on another connection was answered.
    await fetch(`http://${http}/healthz`);
    // Twice within a moment is one request: this is how npm passes on a Ctrl-C.
    run.signal("SIGINT");
    run.signal("SIGINT");
    await run.says(/ending/);
    const again = setInterval(() => run.signal("SIGINT"), 50);
    const { code } = await run.ended;
    clearInterval(again);
    socket.destroy();
    assert.equal(code, 1);
  });
});

describe("dev", () => {
  test("--replicas 3 --secure: three servers are one cluster, and a client needs one address", async () => {
    const run = beginCli(["dev", "--replicas", "3", "--secure"], FREE_PORTS);
    const [, addresses = ""] = await run.says(/ready: 3 servers, .*grpc (.*), gossip/);
    assert.equal(addresses.split(" ").length, 3);
    const [, variables = ""] = await run.says(/export (.*)/);
    const pairs = variables.split(" ").map((each) => each.split("=") as [string, string]);
    const env = Object.fromEntries(pairs);
    const listed = await runCli(["servers", "--json", "--address", addresses.split(" ")[2] ?? ""], {
      env,
    });
    assert.equal(listed.code, 0, listed.stderr);
    for (const name of ["dev-1", "dev-2", "dev-3"]) assert.ok(listed.stdout.includes(name));
    run.signal("SIGTERM");
    assert.equal((await run.ended).code, 0);
  });

  test("serves from a directory that is gone at the end", async () => {
    const run = beginCli(["dev"], FREE_PORTS);
    const { http, dataDir } = await serverOf(run);
    assert.ok(dataDir.startsWith(join(tmpdir(), "proglog-dev-")) && existsSync(dataDir));
    assert.equal((await fetch(`http://${http}/readyz`)).status, 200);
    run.signal("SIGINT");
    assert.equal((await run.ended).code, 0);
    assert.equal(existsSync(dataDir), false);
  });

  test("keeps a directory that was named, and leaves nothing when it cannot start", async (t) => {
    const dataDir = join(makeFolder(t), "kept");
    const run = beginCli(["dev", "--data-dir", dataDir], FREE_PORTS);
    await serverOf(run);
    run.signal("SIGINT");
    await run.ended;
    assert.equal(existsSync(join(dataDir, "meta.json")), true);
    const port = createServer().listen(0, "127.0.0.1");
    await once(port, "listening");
    const taken = String((port.address() as AddressInfo).port);
    const failed = await runCli(["dev", "--rpc-port", taken], { env: FREE_PORTS });
    assert.equal(failed.code, 69);
    const [, thrownAway = ""] = /\((\/.*proglog-dev-\w+)\)/.exec(failed.stderr) ?? [];
    assert.notEqual(thrownAway, "");
    assert.equal(existsSync(thrownAway), false);
    await new Promise((resolve) => port.close(resolve));
  });
});

describe("a process of its own", () => {
  test("answers after kill -9 what it had acknowledged, and SIGTERM lets it end by itself", async (t) => {
    const folder = makeFolder(t);
    const first = await startCli(t, agentIn(folder));
    const body = '{"record":{"value":"a2VwdA=="}}';
    await (await fetch(`http://${first.http ?? ""}`, { method: "POST", body })).json();
    await first.end("SIGKILL");
    const second = await startCli(t, agentIn(folder));
    const read = await fetch(`http://${second.http ?? ""}/?offset=0`);
    assert.deepEqual(await read.json(), { record: { value: "a2VwdA==", offset: 0 } });
    assert.equal(await second.end("SIGTERM"), 0, second.stderr());
  });

  test("a reader who goes away ends it without a word", async (t) => {
    const { rpcAddress, commitLog } = await startServer(t);
    const value = Buffer.alloc(1000, "x");
    await Promise.all(Array.from({ length: 2000 }, () => commitLog.append({ value }, {})));
    const args = [...CLI, "consume", "--address", rpcAddress];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = (await once(child, "close")) as [number | null];
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  });
});
