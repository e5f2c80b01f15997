import assert from "node:assert/strict";
import { PassThrough, Writable } from "node:stream";
import { describe, test } from "node:test";
import type { Host } from "./host.ts";
import { runWork } from "./run.ts";
import type { Work } from "./run.ts";

/** Runs a work whose standard output answers every write with this error. */
async function runInto(code: string, work: Work): Promise<{ exit: number; stderr: string }> {
  const error = Object.assign(new Error(`${code}: it is so`), { code });
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => {
      done(error);
    },
  });
  const stderr = new PassThrough();
  let said = "";
  stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const host: Host = {
    stdin: new PassThrough(),
    stdout,
    stderr,
    env: {},
    pid: 1,
    onEndSignal: () => () => undefined,
    exit: () => undefined,
  };
  const exit = await runWork(host, {}, work);
  await new Promise((resolve) => setImmediate(resolve));
  return { exit, stderr: said };
}

const writesOnce: Work = ({ out }) => {
  out.line("data");
  return Promise.resolve(undefined);
};

/** As those do that follow: until the signal says that it is over. */
const writesUntilToldToEnd: Work = async ({ out, signal }) => {
  for (;;) {
    out.line("data");
    await out.flush();
    signal.throwIfAborted();
  }
};

describe("standard output that takes nothing", () => {
  test("because nobody reads it any more: the command ends well, without a word", async () => {
    for (const work of [writesOnce, writesUntilToldToEnd]) {
      assert.deepEqual(await runInto("EPIPE", work), { exit: 0, stderr: "" });
    }
  });

  test("because the disk is full: that is said, and the exit code is the disk's", async () => {
    for (const work of [writesOnce, writesUntilToldToEnd]) {
      const { exit, stderr } = await runInto("ENOSPC", work);
      assert.equal(exit, 74);
      assert.equal(stderr, "proglog: standard output cannot be written: ENOSPC: it is so\n");
    }
  });
});
