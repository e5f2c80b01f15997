/** What `scripts/setup.mjs` promises, tried in small checkouts with a compiler made for the purpose. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { hostname, tmpdir } from "node:os";
import * as path from "node:path";
import { describe, test, type TestContext } from "node:test";

import { root } from "./support/root.ts";

const LOCKFILE = JSON.stringify({
  name: "tiny",
  version: "1.0.0",
  lockfileVersion: 3,
  packages: { "": { name: "tiny", version: "1.0.0" } },
});

/** Stands in for tsc: writes main.js with the text of src/main.ts, and counts its runs. */
const COMPILER = `
const fs = require("node:fs"), path = require("node:path");
const out = process.argv[process.argv.indexOf("--outDir") + 1];
fs.appendFileSync("runs", "x");
if (fs.readFileSync("src/main.ts", "utf8").includes("mistake")) {
  console.log("src/main.ts(1,1): error TS0: a mistake");
  process.exit(1);
}
fs.mkdirSync(path.join(out, "cli"), { recursive: true });
fs.copyFileSync("src/main.ts", path.join(out, "cli/main.js"));
`;

interface Checkout {
  readonly folder: string;
  readonly run: (...args: string[]) => Promise<{ code: number | null; err: string; out: string }>;
  readonly write: (name: string, text: string) => void;
  readonly compilerRuns: () => number;
}

function makeCheckout(t: TestContext, options: { installed: boolean }): Checkout {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "proglog-setup-")));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  };
  write("package.json", JSON.stringify({ name: "tiny", version: "1.0.0" }));
  write("package-lock.json", LOCKFILE);
  write("tsconfig.json", "{}");
  write("tsconfig.build.json", "{}");
  write("src/main.ts", "console.log(1);\n");
  write("scripts/setup.mjs", fs.readFileSync(path.join(root, "scripts/setup.mjs"), "utf8"));
  if (options.installed) {
    write("node_modules/typescript/bin/tsc", COMPILER);
    const stamp = createHash("sha256").update(LOCKFILE).update("\0").digest("hex");
    write("node_modules/.setup-stamp", stamp);
  }
  const run = (...args: string[]): ReturnType<Checkout["run"]> =>
    runProgram(process.execPath, [path.join(folder, "scripts/setup.mjs"), ...args]);
  const runs = path.join(folder, "runs");
  const compilerRuns = (): number => (fs.existsSync(runs) ? fs.statSync(runs).size : 0);
  return { folder, run, write, compilerRuns };
}

function runProgram(command: string, args: string[]): ReturnType<Checkout["run"]> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, npm_config_offline: "true" };
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const texts = { err: "", out: "" };
    child.stdout.on("data", (bytes: Buffer) => (texts.out += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (texts.err += bytes.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

describe("setup", () => {
  test("installs once, says so in one line, and is silent from then on", async (t) => {
    const checkout = makeCheckout(t, { installed: false });
    const first = await checkout.run();
    assert.deepEqual({ code: first.code, out: first.out }, { code: 0, out: "" });
    assert.match(first.err, /^proglog: installing [^\n]*\n$/);
    assert.deepEqual(await checkout.run(), { code: 0, err: "", out: "" });
  });

  test("takes what somebody's own npm ci has installed", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    fs.rmSync(path.join(checkout.folder, "node_modules/.setup-stamp"));
    checkout.write("node_modules/.package-lock.json", JSON.stringify({ packages: {} }));
    assert.deepEqual(await checkout.run(), { code: 0, err: "", out: "" });
  });

  test("says what to do when npm fails", async (t) => {
    const checkout = makeCheckout(t, { installed: false });
    checkout.write("package.json", '{"name": "tiny", "dependencies": {"left-out": "1.0.0"}}');
    const { code, err, out } = await checkout.run();
    assert.deepEqual({ code, out }, { code: 1, out: "" });
    assert.match(err, /npm ci failed \(.+\).*run "npm ci --include=dev" in .* to see all/);
    assert.equal(err.trim().split("\n").length, 2);
  });

  test("compiles when sources differ, and only then", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    const main = path.join(checkout.folder, "dist/cli/main.js");
    assert.match((await checkout.run("--build")).err, /^proglog: compiling [^\n]*\n$/);
    assert.equal(fs.statSync(main).mode & 0o111, 0o111);
    assert.deepEqual(await checkout.run("--build"), { code: 0, err: "", out: "" });
    checkout.write("src/main.ts", "console.log(2);\n");
    checkout.write("dist/left-over.js", "");
    assert.equal((await checkout.run("--build")).code, 0);
    assert.equal(fs.readFileSync(main, "utf8"), "console.log(2);\n");
    assert.deepEqual(fs.readdirSync(path.dirname(path.dirname(main))), [".build-stamp", "cli"]);
    checkout.write("src/more.test.ts", "a test is no source");
    assert.deepEqual(await checkout.run("--build"), { code: 0, err: "", out: "" });
    assert.equal(checkout.compilerRuns(), 2);
  });

  test("a mistake in a source is shown, and what was built stays", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    await checkout.run("--build");
    checkout.write("src/main.ts", "a mistake\n");
    const { code, err } = await checkout.run("--build");
    assert.equal(code, 1);
    assert.match(err, /error TS0: a mistake[^]*does not compile/);
    const main = path.join(checkout.folder, "dist/cli/main.js");
    assert.equal(fs.readFileSync(main, "utf8"), "console.log(1);\n");
  });

  test("several at once: one works, the others wait and find it done", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    const all = await Promise.all(Array.from({ length: 4 }, () => checkout.run("--build")));
    assert.deepEqual(
      all.map(({ code }) => code),
      [0, 0, 0, 0],
    );
    assert.equal(checkout.compilerRuns(), 1);
    const left = fs.readdirSync(checkout.folder).filter((name) => name.startsWith(".setup-lock"));
    assert.deepEqual(left, []);
  });

  test("a lock whose owner is dead is broken, by one of several", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    const dead = await runProgram(process.execPath, ["-p", "process.pid"]);
    checkout.write(".setup-lock/owner", `${hostname()} ${dead.out.trim()}`);
    const all = await Promise.all([checkout.run("--build"), checkout.run("--build")]);
    assert.deepEqual(
      all.map(({ code }) => code),
      [0, 0],
    );
    assert.equal(checkout.compilerRuns(), 1);
  });

  test("an old Node is told so", async (t) => {
    const checkout = makeCheckout(t, { installed: true });
    const old = path.join(checkout.folder, "old.mjs");
    fs.writeFileSync(
      old,
      'Object.defineProperty(process.versions, "node", { value: "18.20.0" });' +
        'await import("./scripts/setup.mjs");',
    );
    const { code, err } = await runProgram(process.execPath, [old]);
    assert.equal(code, 1);
    assert.match(err, /^proglog: needs Node.js 20.19 or newer[^\n]*\n$/);
  });
});
