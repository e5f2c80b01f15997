/** A client of the book's proto that Python's gRPC (the C core) generated, over mutual TLS. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { startCluster } from "../support/cluster.ts";
import { clusterCredentials } from "../support/cluster-credentials.ts";
import { makeFolder } from "../support/program.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { BOOK_PROTO, type BookClientReport, PYTHON_CLIENT } from "./support/book-client.ts";

const run = promisify(execFile);
/** Debian's: another one on the PATH has not its modules. */
const PYTHON = "/usr/bin/python3";
const PLUGIN = "grpc_python_plugin";

function hasModules(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import grpc, google.protobuf"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const missing = ["protoc", PLUGIN].filter((program) => !commandExists(program));
if (!hasModules()) missing.push("python3-grpcio and python3-protobuf");

test(
  "a client generated from the book's proto does all that the book's does",
  skipUnless(missing.length === 0, missing.join(", ")),
  async (t) => {
    const folder = makeFolder(t);
    const secure = await clusterCredentials(1);
    t.after(() => secure.remove());
    const cluster = await startCluster(t, 1, { settingsFor: secure.settingsFor });
    const { rpcAddress } = await cluster.untilLed();

    const write = (name: string, content: string): void => {
      writeFileSync(join(folder, name), content, { mode: 0o600 });
    };
    write("log.proto", BOOK_PROTO);
    write("client.py", PYTHON_CLIENT);
    const { authority, otherAuthority, root, nobody } = secure.made;
    write("ca.pem", authority.cert);
    write("other-ca.pem", otherAuthority.cert);
    for (const [name, pair] of Object.entries({ root, nobody })) {
      write(`${name}.pem`, pair.cert);
      write(`${name}-key.pem`, pair.key);
    }
    const { stdout: plugin } = await run("/bin/sh", ["-c", `command -v ${PLUGIN}`]);
    await run(
      "protoc",
      [
        `--plugin=protoc-gen-grpc_python=${plugin.trim()}`,
        ...["-I", ".", "--python_out=.", "--grpc_python_out=.", "log.proto"],
      ],
      { cwd: folder },
    );
    const { stdout } = await run(PYTHON, ["client.py", rpcAddress, folder], {
      ...{ cwd: folder, timeout: 60_000 },
    });

    const report = JSON.parse(stdout) as BookClientReport;
    assert.equal(report.produced, 0);
    assert.deepEqual(report.consumed, ["Let's Go #1", 0]);
    const offsets = Array.from({ length: 100 }, (_, at) => at + 1);
    assert.deepEqual(report.streamed, offsets);
    const values = ["Let's Go #1", ...offsets.map((offset) => `stream ${offset - 1}`)];
    assert.deepEqual(report.followed, [...values.entries()]);
    assert.deepEqual(report.servers, [["a", rpcAddress, true]]);
    assert.deepEqual(report.outOfRange, [
      "OUT_OF_RANGE",
      "The requested offset is outside of the log: 1000",
    ]);
    assert.deepEqual(report.denied, ["PERMISSION_DENIED", "nobody not permitted to produce to *"]);
    assert.equal(report.unknownCa, "UNAVAILABLE");
  },
);
