/** The packed package, in an empty folder: it holds what it needs, and its words work. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { installOffline, pack, useEntries } from "./support/package.ts";
import { freePorts, makeFolder, runProgram, startProgram } from "./support/program.ts";
import { firstSession, needsCurl } from "./support/sessions.ts";

test("the package, installed elsewhere: npx proglog dev, and each entry", needsCurl, async (t) => {
  const folder = makeFolder(t);
  const elsewhere = join(folder, "elsewhere");
  mkdirSync(elsewhere);
  installOffline(elsewhere, pack(folder));

  const env = { ...freePorts(join(folder, "data")), npm_config_offline: "true" };
  assert.match(runProgram("npx", ["proglog", "--version"], { cwd: elsewhere, env }), /^\d+\.\d+/);
  const server = await startProgram(t, "npx", ["proglog", "dev"], { cwd: elsewhere, env });
  firstSession(server.http ?? "no HTTP");
  assert.equal(useEntries(elsewhere, server.grpc), "used\n");
  assert.equal(await server.end("SIGTERM"), 0, server.stderr());
});
