/** What only the machine's disk does; the rest is in `sim/disk/conformance.test.ts`. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { skipUnless } from "../../test/support/require.ts";
import { realDisk } from "./real-disk.ts";

const run = promisify(execFile);
const WRITER = fileURLToPath(new URL("./testing/disk-writer.ts", import.meta.url));

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-disk-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Runs a shell line with `"$@"` as a process that writes 20,000 bytes, and says how it went. */
async function write(line: string, path: string): Promise<string> {
  const command = [process.execPath, "--import", "tsx", WRITER, path];
  const { stdout } = await run("sh", ["-c", line, "sh", ...command]);
  return stdout.trim();
}

test("after a short write the rest is tried, and its error is the call's", () =>
  withDirectory(async (directory) => {
    // The kernel writes up to the limit and says how much that was; only the next write fails.
    const path = join(directory, "file");
    assert.equal(await write(`ulimit -f 8; exec "$@"`, path), "EFBIG");
    const { size } = await stat(path);
    assert.equal(size > 0 && size < 20_000, true, `${size} bytes are there`);
  }));

/** A file system of 16 KiB at a folder, for a namespace of its own, so that nothing stays behind. */
const smallDiskAt = (folder: string): string => `mount -t tmpfs -o size=16k tmpfs ${folder}`;
const canMount =
  spawnSync("unshare", ["-rm", "sh", "-c", smallDiskAt(tmpdir())], { stdio: "ignore" }).status ===
  0;

test(
  "a full disk is ENOSPC, and leaves what fitted",
  skipUnless(canMount, "mount namespaces"),
  () =>
    withDirectory(async (directory) => {
      const mount = smallDiskAt(directory);
      const line = `exec unshare -rm sh -c '${mount} && "$@" && wc -c < ${directory}/file' sh "$@"`;
      assert.equal(await write(line, join(directory, "file")), "ENOSPC\n16384");
    }),
);

test("errors say which call met them, and on what", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "missing");
    await assert.rejects(realDisk.open(path, "read"), { code: "ENOENT", syscall: "open", path });
  }));

test("files are for the owner and the group, whoever else may enter", () =>
  withDirectory(async (directory) => {
    const inner = join(directory, "inner");
    await realDisk.makeDirectory(inner);
    const file = await realDisk.open(join(inner, "file"), "create");
    await file.close();
    assert.equal((await stat(inner)).mode & 0o007, 0);
    assert.equal((await stat(join(inner, "file"))).mode & 0o007, 0);
    await chmod(inner, 0o700);
  }));

test("closing waits for what is under way", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "file");
    const file = await realDisk.open(path, "create");
    const order: string[] = [];
    const written = file
      .write(new Uint8Array(3_000_000).fill(7), 0)
      .then(() => order.push("write"));
    const synced = file.sync().then(() => order.push("sync"));
    const closed = file.close().then(() => order.push("close"));
    await Promise.all([written, synced, closed]);
    assert.equal(order.at(-1), "close");
    assert.equal((await readFile(path)).length, 3_000_000);
  }));

test("directories are made with their parents, and where none can be made that is said", () =>
  withDirectory(async (directory) => {
    await realDisk.makeDirectory(join(directory, "a", "b", "c"));
    await realDisk.makeDirectory(join(directory, "a", "b", "c"));
    assert.deepEqual(await realDisk.list(join(directory, "a", "b")), ["c"]);
    await writeFile(join(directory, "file"), "");
    await assert.rejects(realDisk.makeDirectory(join(directory, "file")), { code: "EEXIST" });
    await assert.rejects(realDisk.makeDirectory(join(directory, "file", "x")), { code: "ENOTDIR" });
    if (process.platform !== "linux") return;
    // Node's own `recursive` goes round for ever here.
    await assert.rejects(realDisk.makeDirectory("/proc/nothing/here"), { code: "ENOENT" });
  }));
