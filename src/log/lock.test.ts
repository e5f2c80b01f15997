import assert from "node:assert/strict";
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ProglogError } from "../base/index.ts";
import { lockByName, lockDirectory } from "./lock.ts";

const HOLDER = fileURLToPath(new URL("./testing/lock-holder.ts", import.meta.url));

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-lock-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

type Outcome = { readonly held: true } | { readonly held: false; readonly message: string };

/** Another process that tries to take the lock, says how it went, and keeps it. */
async function startHolder(directory: string): Promise<{ child: ChildProcess; outcome: Outcome }> {
  const child = fork(HOLDER, [directory], { execArgv: ["--import", "tsx"] });
  const [outcome] = (await once(child, "message")) as [Outcome];
  return { child, outcome };
}

async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

const claims = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.startsWith("LOCK."));

const isLockedBy =
  (pid: number | undefined) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, "LOCKED");
    assert.equal(error.details["pid"], String(pid));
    assert.match(error.message, new RegExp(`in use by process ${pid}\\b`));
    return true;
  };

test("a directory has one holder, also within one process", () =>
  withDirectory(async (directory) => {
    const lock = await lockDirectory(directory);
    await assert.rejects(lockDirectory(directory), isLockedBy(process.pid));
    assert.equal((await claims(directory)).length, 1, "who was refused leaves nothing");
    await lock.release();
    await lock.release();
    assert.deepEqual(await claims(directory), []);
    await (await lockDirectory(directory)).release();
  }));

test("another name for the directory is the same directory", () =>
  withDirectory(async (directory) => {
    await mkdir(join(directory, "data"));
    await symlink(join(directory, "data"), join(directory, "alias"));
    const lock = await lockDirectory(join(directory, "data"));
    await assert.rejects(lockDirectory(join(directory, "alias")), isLockedBy(process.pid));
    await lock.release();
  }));

test("another process is named, and its lock dies with it", () =>
  withDirectory(async (directory) => {
    const { child, outcome } = await startHolder(directory);
    try {
      assert.deepEqual(outcome, { held: true });
      await assert.rejects(lockDirectory(directory), isLockedBy(child.pid));
      await end(child, "SIGKILL");
      assert.equal((await claims(directory)).length, 1, "a killed process cannot clean up");
      const lock = await lockDirectory(directory);
      assert.equal((await claims(directory)).length, 1, "its claim was removed");
      await lock.release();
    } finally {
      await end(child);
    }
  }));

test("a stopped process still holds its lock and is named", () =>
  withDirectory(async (directory) => {
    const { child } = await startHolder(directory);
    try {
      child.kill("SIGSTOP");
      await assert.rejects(lockDirectory(directory), isLockedBy(child.pid));
    } finally {
      await end(child);
    }
  }));

test("the lock does not keep its process alive, and is free after it ended by itself", () =>
  withDirectory(async (directory) => {
    const { child } = await startHolder(directory);
    try {
      const exited = once(child, "exit", { signal: AbortSignal.timeout(20_000) });
      child.disconnect();
      assert.deepEqual(await exited, [0, null]);
      await (await lockDirectory(directory)).release();
    } finally {
      await end(child);
    }
  }));

test("of many that come at once exactly one gets the lock", () =>
  withDirectory(async (directory) => {
    for (let round = 0; round < 10; round++) {
      const attempts = Array.from({ length: 12 }, () => lockDirectory(directory));
      const results = await Promise.allSettled(attempts);
      const winners = results.filter((result) => result.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const result of results) {
        if (result.status === "rejected") isLockedBy(process.pid)(result.reason);
      }
      await winners[0]?.value.release();
    }
  }));

test("of many processes that find a dead one's claim exactly one gets the lock", () =>
  withDirectory(async (directory) => {
    const dead = await startHolder(directory);
    await end(dead.child, "SIGKILL");
    const others = await Promise.all(Array.from({ length: 4 }, () => startHolder(directory)));
    try {
      assert.equal(others.filter(({ outcome }) => outcome.held).length, 1);
      for (const { outcome } of others) {
        if (!outcome.held) assert.match(outcome.message, /in use by process \d+/);
      }
    } finally {
      await Promise.all(others.map(({ child }) => end(child)));
    }
  }));

test("a path longer than a socket's may be", () =>
  withDirectory(async (directory) => {
    const deep = join(directory, "d".repeat(120), "e".repeat(120));
    await mkdir(deep, { recursive: true });
    const { child } = await startHolder(deep);
    try {
      await assert.rejects(lockDirectory(deep), isLockedBy(child.pid));
      await end(child, "SIGKILL");
      await (await lockDirectory(deep)).release();
      assert.deepEqual(await readdir(deep), []);
      assert.deepEqual(await readdir(directory), ["d".repeat(120)]);
    } finally {
      await end(child);
    }
  }));

test("a candidate that comes first in order is waited out, one that comes later gives way", () =>
  withDirectory(async (directory) => {
    const first = await startCandidate(directory, "LOCK.0.0000000000000000.sock");
    await assert.rejects(lockDirectory(directory), { code: "LOCKED", message: /77 on elsewhere/ });
    await first.end();

    const last = await startCandidate(directory, "LOCK.99999999999.0000000000000000.sock");
    const attempt = lockDirectory(directory);
    const early = attempt.then(() => "the lock came before the other gave way");
    assert.equal(await Promise.race([last.askedTwice, early]), undefined);
    await last.end();
    await (await attempt).release();
  }));

test("a holder that floods or stalls an asker is a holder", () =>
  withDirectory(async (directory) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("x".repeat(100_000));
    });
    const path = join(directory, "LOCK.42.0000000000000000.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await assert.rejects(lockDirectory(directory), isLockedBy(42));
    await new Promise((resolve) => server.close(resolve));
  }));

test("many askers at once are all told, and the holder keeps its lock", () =>
  withDirectory(async (directory) => {
    const lock = await lockDirectory(directory);
    const attempts = Array.from({ length: 60 }, () => lockDirectory(directory));
    for (const result of await Promise.allSettled(attempts)) {
      assert.equal(result.status, "rejected");
      isLockedBy(process.pid)(result.reason);
    }
    await lock.release();
  }));

test("where no socket can be made in a directory, a name outside serves", () =>
  withDirectory(async (directory) => {
    const lock = await lockByName(directory);
    await assert.rejects(lockByName(directory), isLockedBy(process.pid));
    await lock.release();
    await (await lockByName(directory)).release();
  }));

test("a directory that is none is a matter of configuration", () =>
  withDirectory(async (directory) => {
    const file = join(directory, "file");
    await writeFile(file, "");
    for (const path of [file, join(file, "below"), join(directory, "missing")]) {
      await assert.rejects(lockDirectory(path), (error: unknown) => {
        assert.ok(error instanceof ProglogError);
        assert.equal(error.code, "CONFIGURATION");
        assert.ok(error.message.includes(path), error.message);
        return true;
      });
    }
  }));

/** A claim that answers as a candidate does, for as long as the test wants. */
async function startCandidate(
  directory: string,
  name: string,
): Promise<{ askedTwice: Promise<void>; end: () => Promise<void> }> {
  let asked = 0;
  let tell = (): void => undefined;
  const askedTwice = new Promise<void>((resolve) => (tell = resolve));
  const server = createServer((socket) => {
    socket.end("proglog 77 asks elsewhere\n");
    if (++asked === 2) tell();
  });
  await new Promise<void>((resolve) => server.listen(join(directory, name), resolve));
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
    });
  return { askedTwice, end };
}
