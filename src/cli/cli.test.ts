/** Manners that all commands share. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { beginCli, runCli, startServer } from "../../test/support/server.ts";

describe("the command line", () => {
  test("tells its version and its help on standard output", async () => {
    const packageJson = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    const { version } = JSON.parse(packageJson) as { version: string };
    assert.deepEqual(await runCli(["--version"]), { code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await runCli(["produce", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--header <name=value>/);
    assert.equal(help.stderr, "");
  });

  test("a mistyped command or flag is a usage error with a suggestion", async () => {
    for (const [args, meant] of [
      [["agnt"], /did you mean agent/i],
      [["agent", "--rpc-prt", "1"], /did you mean --rpc-port/i],
      [["log", "vrify"], /did you mean verify/i],
      [["consume", "--from", "tomorrow"], /--from.*a time like/i],
      [["consume", "--format", "xml"], /value, json, base64/],
      [["produce", "--header", "novalue"], /name=value/],
      [["bench", "--records", "0"], /at least 1/],
    ] as const) {
      const { code, stdout, stderr } = await runCli(args);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: "" }, args.join(" "));
      assert.match(stderr, meant);
      assert.match(stderr, /^proglog: /);
    }
  });

  test("a wrong setting is a configuration error", async () => {
    const args = ["agent", "--rpc-port", "x", "--bootstrap-expect", "many"];
    const { code, stdout, stderr } = await runCli(args, { env: { PROGLOG_HTPP_PORT: "1" } });
    assert.deepEqual({ code, stdout }, { code: 78, stdout: "" });
    assert.deepEqual(stderr.trimEnd().split("\n"), [
      "proglog: there is no setting PROGLOG_HTPP_PORT (did you mean PROGLOG_HTTP_PORT?)",
      'proglog: --rpc-port: "x" is not a port: 0 to 65535',
      'proglog: --bootstrap-expect: "many" is not a number from 0 to 99',
    ]);
    const json = await runCli(["dev", "--replicas", "30", "--json"]);
    assert.equal(json.code, 78);
    const { error } = JSON.parse(json.stderr) as { error: { code: string; message: string } };
    assert.equal(error.code, "CONFIGURATION");
    assert.match(error.message, /--replicas 30/);
  });

  test("no server is a failure that says where it looked", async () => {
    const env = { PROGLOG_ADDRESS: "127.0.0.1:1" };
    const [servers, produce, follow] = await Promise.all([
      runCli(["servers"], { env }),
      runCli(["produce", "--timeout", "1"], { env, input: "a\n" }),
      runCli(["consume", "--follow"], { env }),
    ]);
    for (const { code, stdout, stderr } of [servers, produce, follow]) {
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
      assert.match(stderr, /127\.0\.0\.1:1/);
    }
    assert.match(produce.stderr, /0 records appended, 1 not acknowledged/);
  });
});

describe("produce and consume", () => {
  test("lines go in and come out, byte for byte, with what is around them", async (t) => {
    const { rpcAddress } = await startServer(t);
    const env = { PROGLOG_ADDRESS: rpcAddress };
    const input = Buffer.from("one\n\nthr\xffee\r\nlast", "latin1");
    const produced = await runCli(["produce", "--key", "k", "--header", "h=1=2"], { env, input });
    assert.deepEqual(produced, {
      code: 0,
      stdout: "",
      stderr: "proglog: 4 records appended, offsets 0 to 3\n",
    });
    const all = await runCli(["consume", "--json"], { env });
    const lines = all.stdout.trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      records.map(({ timestamp_ms: time, ...record }) => ({ ...record, time: typeof time })),
      [
        { offset: 0, key: "k", value: "one" },
        { offset: 1, key: "k", value: "" },
        {
          offset: 2,
          key: "k",
          value_base64: Buffer.from("thr\xffee\r", "latin1").toString("base64"),
        },
        { offset: 3, key: "k", value: "last" },
      ].map((record) => ({ ...record, headers: [{ key: "h", value: "1=2" }], time: "number" })),
    );
    const since = new Date(Date.now() + 3_600_000).toISOString();
    const [part, later, base64, again] = await Promise.all([
      runCli(["consume", "--from", "1", "--limit", "2", "--format", "value"], { env }),
      runCli(["consume", "--from", since], { env }),
      runCli(["consume", "--from", "2", "--limit", "1", "--format", "base64"], { env }),
      runCli(["produce", "--format", "ndjson", "--json"], { env, input: all.stdout }),
    ]);
    assert.deepEqual(part.stdout, "\nthr\ufffdee\r\n");
    assert.deepEqual(later, { code: 0, stdout: "", stderr: "" });
    assert.equal(base64.stdout, "dGhy/2VlDQ==\n");
    const acks = again.stdout.trimEnd().split("\n");
    const offsets = acks.map((line) => (JSON.parse(line) as { offset: number }).offset);
    assert.deepEqual(offsets, [4, 5, 6, 7]);
    const copy = await runCli(["consume", "--json", "--from", "4"], { env });
    assert.equal(copy.stdout.replace(/"offset":\d/g, ""), all.stdout.replace(/"offset":\d/g, ""));
    const outside = await runCli(["consume", "--from", "99", "--json"], { env });
    assert.equal(outside.code, 1);
    assert.match(outside.stderr, /"code":"OFFSET_OUT_OF_RANGE".*"next":"8"/);
  });

  test("a bad line is refused with its number, and those before it are in the log", async (t) => {
    const { rpcAddress, commitLog } = await startServer(t);
    const input = '{"value":"good"}\n{"value":7}\n{"value":"never read"}\n';
    const args = ["produce", "--format", "ndjson", "--address", rpcAddress];
    const { code, stderr } = await runCli(args, { input });
    assert.equal(code, 1);
    assert.match(stderr, /1 records appended.*\n.*line 2: "value" is a string or null/);
    assert.equal(commitLog.highWatermark, 1);
  });

  test("--follow goes on until Ctrl-C, which is no failure", async (t) => {
    const { rpcAddress, commitLog } = await startServer(t);
    await commitLog.append({ value: Buffer.from("before") }, {});
    const run = beginCli(["consume", "--follow", "--address", rpcAddress]);
    await run.says(/before/);
    await commitLog.append({ value: Buffer.from("after") }, {});
    await run.says(/after/);
    run.signal("SIGINT");
    assert.deepEqual(await run.ended, { code: 0, stdout: "before\nafter\n", stderr: "" });
  });

  test("Ctrl-C while lines are awaited: what was read is appended, and the exit says why", async (t) => {
    const { rpcAddress, commitLog } = await startServer(t);
    const run = beginCli(["produce", "--address", rpcAddress]);
    const committed = new Promise<void>((resolve) => void commitLog.onCommit(resolve));
    run.stdin.write("read\nnot yet a line");
    await committed;
    run.signal("SIGINT");
    const { code, stderr } = await run.ended;
    const wanted = { code: 130, stderr: "proglog: 1 records appended, offsets 0 to 0\n" };
    assert.deepEqual({ code, stderr }, wanted);
  });

  test("a server that goes away while lines are awaited is told at once", async (t) => {
    const server = await startServer(t);
    const args = ["produce", "--json", "--timeout", "1", "--address", server.rpcAddress];
    const run = beginCli(args);
    run.stdin.write("first\n");
    await run.says(/"offset":0/);
    await server.close();
    // Its end is not in sight: only the failure can end the command.
    run.stdin.write("second\n");
    const { code, stderr } = await run.ended;
    assert.equal(code, 1);
    assert.match(stderr, /"code":"UNAVAILABLE"/);
  });
});

test("servers, as a table and as JSON", async (t) => {
  const { rpcAddress, httpAddress } = await startServer(t, { nodeName: "only" });
  const [plain, json] = await Promise.all([
    runCli(["servers", "--address", rpcAddress]),
    runCli(["servers", "--address", rpcAddress, "--json"]),
  ]);
  const [, row] = plain.stdout.split("\n");
  assert.deepEqual(row?.split(/ +/), [
    "only",
    rpcAddress,
    httpAddress,
    "voter",
    "yes",
    "0",
    "always",
  ]);
  const { servers } = JSON.parse(json.stdout) as { servers: Record<string, unknown>[] };
  assert.equal(servers[0]?.["rpc_address"], rpcAddress);
  assert.equal(servers[0]["is_leader"], true);
});

test("bench measures a running server, and says so in JSON too", async (t) => {
  const { rpcAddress, commitLog } = await startServer(t);
  const args = ["bench", "--records", "2000", "--size", "10", "--json", "--address", rpcAddress];
  const { code, stdout } = await runCli(args);
  assert.equal(code, 0);
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    rows.map(({ what, records }) => [what, records]),
    [
      ["produce, batched", 2000],
      ["produce, one by one", 500],
      ["consume", 2000],
    ],
  );
  assert.ok(rows.every(({ records_per_second: rate }) => Number(rate) > 0));
  assert.equal(commitLog.highWatermark, 2500);
});
