/** System calls that fail, or in which the process dies: real ones, by strace. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { skipUnless } from "../support/require.ts";
import { AgentProcess } from "./support/agent.ts";
import { EngineRun } from "./support/engine-run.ts";
import { Journal } from "./support/journal.ts";
import { httpWriter, streamWriter, unaryWriter } from "./support/writers.ts";

const needsStrace = skipUnless(canTrace(), "the program strace, and leave to trace");
/** Calls are counted per thread: with one there is one count for what the log does. */
const ONE_THREAD = { UV_THREADPOOL_SIZE: "1" };

/** In a container there may be a strace that is not allowed to trace. */
function canTrace(): boolean {
  try {
    execFileSync("strace", ["-f", "-o", "/dev/null", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Runs a program whose n-th call of some kind has another outcome. */
function under(call: string, outcome: string): string[] {
  const trace = ["-e", `trace=${call}`, "-e", `inject=${call}:${outcome}`];
  return ["strace", "-f", "-o", "/dev/null", ...trace];
}

for (const [call, nth] of [
  ["fdatasync", "12"],
  ["fdatasync", "25"],
  ["fdatasync", "60"],
  ["pwrite64", "40+"],
] as const) {
  const name = `a server's ${call} fails, number ${nth}: exit 74, and the next start holds what was promised`;
  test(name, needsStrace, async (t) => {
    const dataDir = join(makeFolder(t), "data");
    const journal = new Journal();
    {
      const failing = under(call, `error=EIO:when=${nth}`);
      await using server = new AgentProcess({ dataDir, under: failing, env: ONE_THREAD });
      const address = await server.ready;
      const ended = new AbortController();
      const { signal } = ended;
      const writers = [unaryWriter, unaryWriter, httpWriter, streamWriter].map((write, i) =>
        write({ address, journal, signal, name: String(i) }),
      );
      assert.equal(await server.ended, 74, server.stderr);
      ended.abort();
      await Promise.all(writers);
      assert.match(server.stderr, /EIO/);
    }
    await using server = new AgentProcess({ dataDir });
    await using client = connect(await server.ready);
    await journal.compare(client, "all");
    const { offset } = await client.produce({ value: Buffer.from("the next") });
    assert.equal(offset, journal.count, "no offset is given twice");
    server.signal("SIGTERM");
    assert.equal(await server.ended, 0, server.stderr);
    t.diagnostic(`${journal.acknowledged} records acknowledged before, 0 lost`);
  });
}

/** Appends that fill several segments. */
const APPENDS = { writers: 2, groups: 6, segmentBytesMax: 1500, env: ONE_THREAD } as const;

test(
  "a start whose fdatasync fails says so by exit 74, and the next one is clean",
  needsStrace,
  async (t) => {
    const run = new EngineRun(join(makeFolder(t), "data"));
    for (let nth = 1; nth <= 9; nth += 2) {
      const failing = under("fdatasync", `error=EIO:when=${nth}`);
      const child = run.start({ ...APPENDS, under: failing });
      assert.equal(await child.ended, 74);
    }
    await run.verify("all");
  },
);

/** Which calls to die in: the n-th, 2n-th … of each kind. Node loads its modules with some of them. */
const KILLS: readonly (readonly [call: string, step: number])[] = [
  ["fdatasync", 3],
  ["pwrite64", 4],
  ["fsync", 2],
  ["rename", 1],
  ["openat", 17],
  ["ftruncate", 1],
];
const CALLS_MAX = 400;

test(
  "killed at system calls all over a run: nothing acknowledged is lost",
  needsStrace,
  async (t) => {
    const run = new EngineRun(join(makeFolder(t), "data"));
    let kills = 0;
    for (const [call, step] of KILLS) {
      for (let nth = 1; nth <= CALLS_MAX; nth += step) {
        const child = run.start({ ...APPENDS, under: under(call, `signal=SIGKILL:when=${nth}`) });
        const how = await child.ended;
        await run.verify();
        if (how === 0) break;
        assert.equal(how, "SIGKILL", `${call} number ${nth}`);
        kills++;
      }
    }
    await run.verify("all");
    t.diagnostic(`${kills} kill points, ${run.acknowledged} records acknowledged, 0 lost`);
    assert.ok(kills > 30, `${kills} kills`);
  },
);
