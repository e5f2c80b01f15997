/** What a checkout offers: `npm start` with its variables, and `./proglog` from anywhere. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { cleanEnvironment, freePorts, makeFolder, startProgram } from "./support/program.ts";
import { firstSession, firstSessionIsThere, needsCurl, secondSession } from "./support/sessions.ts";
import { root } from "./support/root.ts";

describe("npm start", () => {
  test("the book's session, with kill -9 in the middle", needsCurl, async (t) => {
    const env = freePorts(join(makeFolder(t), "data"));
    const first = await startProgram(t, "npm", ["start"], { env });
    firstSession(first.http ?? "no HTTP");
    await first.end("SIGKILL");
    const second = await startProgram(t, "npm", ["start"], { env });
    firstSessionIsThere(second.http ?? "no HTTP");
    assert.equal(await second.end("SIGTERM"), 0, second.stderr());
  });

  test("the session of its sibling, on the RPC port too", needsCurl, async (t) => {
    const env = freePorts(join(makeFolder(t), "data"));
    const server = await startProgram(t, "npm", ["start"], { env });
    secondSession(server.http ?? "no HTTP");
    const again = spawnSync("curl", ["-s", `${server.grpc}/?offset=1`], { encoding: "utf8" });
    assert.deepEqual(JSON.parse(again.stdout), { record: { value: "BA==", offset: 1 } });
    assert.equal(await server.end("SIGTERM"), 0, server.stderr());
  });
});

describe("./proglog", () => {
  test("is the command line, through links and from any directory", async (t) => {
    const folder = makeFolder(t);
    symlinkSync(join(root, "proglog"), join(folder, "first"));
    symlinkSync("first", join(folder, "second"));
    const run = (args: string[], input = ""): { status: number | null; out: string } => {
      const env = cleanEnvironment();
      const options = { cwd: folder, env, input, encoding: "utf8" } as const;
      const { status, stdout } = spawnSync("./second", args, options);
      return { status, out: stdout };
    };
    const env = freePorts(join(folder, "data"));
    const server = await startProgram(t, "./second", ["agent"], { cwd: folder, env });
    const at = ["--address", server.grpc];
    assert.deepEqual(run(["produce", ...at], "one\ntwo words\n").status, 0);
    assert.deepEqual(run(["consume", ...at]), { status: 0, out: "one\ntwo words\n" });
    assert.deepEqual(run(["no-such-command"]), { status: 2, out: "" });
    // It became the server: the process that was started is the one that answers.
    assert.equal(await server.end("SIGTERM"), 0, server.stderr());
  });
});
