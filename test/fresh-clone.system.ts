/** Two commands on a fresh clone, with nothing before them. What is cloned is the last commit. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { freePorts, makeFolder, runProgram, startProgram } from "./support/program.ts";
import { skipUnless } from "./support/require.ts";
import { firstSession, firstSessionIsThere, needsCurl, secondSession } from "./support/sessions.ts";
import { root } from "./support/root.ts";

const needsClone = {
  ...needsCurl,
  ...skipUnless(existsSync(join(root, ".git")), "a git checkout"),
};

/** Clones this checkout, whoever owns it. */
function clone(folder: string): string {
  const config = join(folder, "gitconfig");
  writeFileSync(config, "[safe]\n\tdirectory = *\n");
  const checkout = join(folder, "checkout");
  runProgram("git", ["clone", "--quiet", root, checkout], { env: { GIT_CONFIG_GLOBAL: config } });
  return checkout;
}

test("npm start on a fresh clone keeps its records through kill -9", needsClone, async (t) => {
  const folder = makeFolder(t);
  const cwd = clone(folder);
  const env = freePorts(join(folder, "data"));

  const first = await startProgram(t, "npm", ["start"], { cwd, env });
  firstSession(first.http ?? "no HTTP");
  assert.notEqual(await first.end("SIGKILL"), 0);

  const second = await startProgram(t, "npm", ["start"], { cwd, env });
  firstSessionIsThere(second.http ?? "no HTTP");
  assert.equal(await second.end("SIGTERM"), 0, second.stderr());

  const fresh = freePorts(join(folder, "other data"));
  const third = await startProgram(t, "npm", ["start"], { cwd, env: fresh });
  secondSession(third.http ?? "no HTTP");
  assert.equal(await third.end("SIGINT"), 0, third.stderr());

  assert.match(runProgram(join(cwd, "proglog"), ["--version"], { cwd: folder }), /^\d+\.\d+/);
});

test("npm test on a fresh clone installs what it needs", needsClone, (t) => {
  const cwd = clone(makeFolder(t));
  const output = runProgram("npm", ["test", "--", "test/layers"], { cwd });
  assert.match(output, /\n\d+ passed, 0 failed\n$/);
});
