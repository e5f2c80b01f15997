/** The runner of all tests must not be the one that hides a failure. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test, type TestContext } from "node:test";

import { root } from "./support/root.ts";

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly lastLine: string | undefined;
}

/** Runs `test/all.ts` over a checkout with the given files. */
function runAll(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  more: NodeJS.ProcessEnv = {},
): Outcome {
  const folder = mkdtempSync(join(tmpdir(), "proglog-runner-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `import { describe, test } from "node:test";\n${text}`);
  }
  const all = ["--import", "tsx", join(root, "test", "all.ts"), "--root", folder, ...args];
  const env = { ...process.env, PROGLOG_REQUIRE_ALL: "", INIT_CWD: root, ...more };
  const { status, stdout } = spawnSync(process.execPath, all, { cwd: root, encoding: "utf8", env });
  return { code: status, out: stdout, lastLine: stdout.trimEnd().split("\n").at(-1) };
}

const PASSES = 'test("passes", () => {});';
const BREAKS = 'test("line\\u2028 \\u2029 \\n \\r breaks", () => {});';
const FAILS = 'test("fails", () => { throw new Error("the reason"); });';
/** The reporter of Node would say nothing but a number of it. */
const LEFT = 'test("z", () => void setTimeout(() => { throw new Error("left behind"); }, 100));';

/** Each in a file of its own, and what must be said of it. */
const TROUBLES: readonly [what: string, text: string, said: RegExp][] = [
  ["fails", FAILS, /✖ fails .*\n +Error: the reason/],
  ["nothing", 'import "./nothing.ts";', /✖ src\/nothing\/a\.test\.ts loads[^]*nothing\.ts/],
  ["mistake", "const = 1;", /✖ src\/mistake\/a\.test\.ts loads/],
  ["exit", 'test("x", () => process.exit(0));', /ended \(exit 0\) too early.* src\/exit/],
  ["kill", 'process.kill(process.pid, "SIGKILL");', /ended \(SIGKILL\) too early.* src\/kill/],
];

/** Without end, each in its way. */
const HUNG: readonly [what: string, text: string][] = [
  ["busy", 'test("x", () => { for (;;); });'],
  ["open", 'test("y", () => { setInterval(() => 0, 99); });'],
];

describe("the test runner", () => {
  test("finds each kind of trouble, and counts over its processes", (t) => {
    const files: Record<string, string> = {
      "src/fine/a.test.ts": `${BREAKS} describe("suite", () => { ${PASSES} });`,
      "src/fine/b.test.ts": `describe("suite", () => { ${PASSES} ${FAILS} });`,
      "test/c.test.ts": 'test("parent", async (t) => { await t.test("child", () => {}); });',
      "test/d.system.ts": FAILS,
    };
    for (const [what, text] of TROUBLES) files[`src/${what}/a.test.ts`] = text;
    const { code, out, lastLine } = runAll(t, files);
    for (const [, , said] of TROUBLES) assert.match(out, said);
    assert.match(out, /\nfailed: suite › fails\n/);
    // A trouble each, and the one of the suite.
    assert.deepEqual({ code, lastLine }, { code: 1, lastLine: "5 passed, 6 failed" });
  });

  test("ends what hangs, or leaves something open", (t) => {
    const files = Object.fromEntries(HUNG.map(([what, text]) => [`src/${what}/a.test.ts`, text]));
    const { code, out, lastLine } = runAll(t, files, ["--patience", "5"]);
    for (const [what] of HUNG) {
      assert.match(out, new RegExp(`✖ nothing happened for 5 s after .*, in src/${what}/`));
    }
    assert.equal(code, 1);
    assert.match(lastLine ?? "", /, 2 failed$/);
  });

  test("finds errors that come when nobody waits for them any more", (t) => {
    const files = {
      "src/late/a.test.ts": 'setTimeout(() => { throw new Error("too late"); });',
      "src/left/a.test.ts": LEFT,
      "src/more/a.test.ts": PASSES,
    };
    const { code, out, lastLine } = runAll(t, files);
    assert.match(out, /✖ Error: A resource .* activity .*too late/);
    assert.match(out, /✖ Error: Test "z" at src\/left.* activity after .*left behind/);
    assert.deepEqual({ code, lastLine }, { code: 1, lastLine: "2 passed, 2 failed" });
  });

  test("goes on with the other files when a process ends too early", (t) => {
    const files = Object.fromEntries(
      Array.from({ length: 20 }, (_, at) => {
        const exits = at % 5 === 0;
        return [`src/a${at}.test.ts`, exits ? 'test("x", () => process.exit(0));' : PASSES];
      }),
    );
    const { code, lastLine } = runAll(t, files);
    assert.deepEqual({ code, lastLine }, { code: 1, lastLine: "16 passed, 4 failed" });
  });

  test("begins no test of a file before the end of the file", (t) => {
    const late = 'test("x", () => { if (!late) throw 0; }); const late = true;';
    const files = { "src/a.test.ts": late, "src/b.test.ts": late };
    const { code, lastLine } = runAll(t, files, ["--workers", "1"]);
    assert.deepEqual({ code, lastLine }, { code: 0, lastLine: "2 passed, 0 failed" });
  });

  test("selects files and tests", (t) => {
    const files = { "src/a.test.ts": `${PASSES} ${FAILS}`, "src/b.test.ts": FAILS };
    const { code, lastLine } = runAll(t, files, ["src/a", "--name", "^passes$"]);
    assert.deepEqual({ code, lastLine }, { code: 0, lastLine: "1 passed, 0 failed" });
  });

  test("selecting nothing is an error", (t) => {
    const files = { "src/a.test.ts": PASSES };
    assert.equal(runAll(t, files, ["src/none"]).code, 2);
    assert.equal(runAll(t, files, ["--name", "none"]).code, 2);
  });
});

describe("a test that needs what is missing", () => {
  const helper = JSON.stringify(join(root, "test/support/require.ts"));
  const needy = `import { skipUnless } from ${helper};\n test("x", skipUnless(false, "the moon"), () => {});`;

  test("is skipped, and the summary says why", (t) => {
    const { code, out, lastLine } = runAll(t, { "src/a.test.ts": needy });
    assert.deepEqual({ code, lastLine }, { code: 0, lastLine: "0 passed, 0 failed" });
    assert.match(out, /skipped: x \(MISSING: the moon\)/);
  });

  test("fails when everything is required", (t) => {
    const files = { "src/a.test.ts": PASSES, "src/b.test.ts": needy };
    const { code, lastLine } = runAll(t, files, [], { PROGLOG_REQUIRE_ALL: "1" });
    assert.deepEqual({ code, lastLine }, { code: 1, lastLine: "1 passed, 1 failed" });
  });
});

describe("switches of the test runner", () => {
  test("runs the tests of the folder that it is called from, and all elsewhere", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "proglog-caller-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const files = { "src/one/a.test.ts": PASSES, "src/two/b.test.ts": PASSES };
    const listed = runAll(t, files, ["--list"], { INIT_CWD: folder });
    assert.equal(listed.out, "src/one/a.test.ts\nsrc/two/b.test.ts\n");
    const own = ["--root", root, "--list"];
    const inside = runAll(t, {}, own, { INIT_CWD: join(root, "src", "telemetry") });
    assert.match(inside.out, /^src\/telemetry\/logger\.test\.ts$/m);
    assert.doesNotMatch(inside.out, /^(?!src\/telemetry\/)./m);
  });

  test("--debug-telemetry tells the tests a folder, and says which", (t) => {
    const print = 'test("x", () => console.log("folder", process.env.PROGLOG_DEBUG_TELEMETRY));';
    const { code, out } = runAll(t, { "src/a.test.ts": print }, ["--debug-telemetry"]);
    const [, told = ""] = /^folder (\S+)$/m.exec(out) ?? [];
    const [, said] = /^metrics and traces: (\S+)$/m.exec(out) ?? [];
    assert.equal(code, 0);
    assert.equal(said, told);
    rmSync(told, { recursive: true });
  });
});
