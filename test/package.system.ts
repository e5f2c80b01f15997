/** The packed package as npm itself installs it from a registry, into an empty folder. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { pack, useEntries } from "./support/package.ts";
import { freePorts, makeFolder, runProgram, startProgram } from "./support/program.ts";
import { firstSession, needsCurl } from "./support/sessions.ts";

test("npm install of the tarball, npx proglog dev, and each entry", needsCurl, async (t) => {
  const folder = makeFolder(t);
  const elsewhere = join(folder, "elsewhere");
  mkdirSync(elsewhere);
  const tarball = pack(folder);
  runProgram("npm", ["init", "--yes"], { cwd: elsewhere });
  runProgram("npm", ["install", "--omit=dev", "--no-audit", "--no-fund", tarball], {
    cwd: elsewhere,
  });

  const env = freePorts(join(folder, "data"));
  const server = await startProgram(t, "npx", ["proglog", "dev"], { cwd: elsewhere, env });
  firstSession(server.http ?? "no HTTP");
  assert.equal(useEntries(elsewhere, server.grpc), "used\n");
  assert.equal(await server.end("SIGTERM"), 0, server.stderr());
});
