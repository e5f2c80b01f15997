import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { CrashOptions } from "../../sim/disk/index.ts";
import { ProglogError, seededRandom } from "../base/index.ts";
import type { ErrorCode } from "../base/index.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory, DataDirectoryOptions } from "./data-directory.ts";

const run = promisify(execFile);

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-data-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const refusal =
  (code: ErrorCode, ...words: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), error.message);
    return true;
  };

test("a directory gets its identity once, and keeps it", () =>
  withDirectory(async (parent) => {
    const path = join(parent, "not", "there", "yet");
    const options = { clusterName: "blue", name: "a", random: seededRandom(1) };
    const first = await openDataDirectory(path, options);
    assert.equal(first.fresh, true);
    assert.equal(first.path, path);
    assert.equal(first.logDirectory("default"), join(path, "logs", "default"));
    assert.deepEqual(await readdir(first.logDirectory("default")), []);
    assert.deepEqual(
      (await readdir(path)).filter((name) => name === "meta.json"),
      [],
    );
    await first.finishFirstStart();
    assert.equal(first.fresh, false);
    await first.close();

    const meta = JSON.parse(await readFile(join(path, "meta.json"), "utf8")) as object;
    assert.deepEqual(meta, first.meta);
    assert.deepEqual(Object.keys(meta), [
      "formatVersion",
      "clusterName",
      "clusterId",
      "name",
      "replicaId",
    ]);
    assert.match(first.meta.clusterId, /^[0-9a-f]{32}$/);
    assert.ok(Number.isSafeInteger(first.meta.replicaId) && first.meta.replicaId > 0);

    const second = await openDataDirectory(path, { ...options, random: seededRandom(2) });
    assert.equal(second.fresh, false);
    assert.deepEqual(second.meta, first.meta);
    await second.close();
    assert.deepEqual((await readdir(path)).sort(), ["logs", "meta.json"]);
  }));

test("until its first start is finished a directory is fresh, and keeps its identity", () =>
  withDirectory(async (path) => {
    const first = await openDataDirectory(path, { name: "a" });
    await writeFile(join(first.logDirectory("default"), "raft.state"), "");
    await first.close();
    await assert.rejects(openDataDirectory(path, { name: "b" }), refusal("CONFIGURATION"));
    const second = await openDataDirectory(path, { name: "a" });
    assert.deepEqual([second.fresh, second.meta], [true, first.meta]);
    await second.finishFirstStart();
    await second.finishFirstStart();
    await second.close();
    const third = await openDataDirectory(path);
    assert.deepEqual([third.fresh, third.meta], [false, first.meta]);
    await third.close();
  }));

test("an identity that was never whole is none", () =>
  withDirectory(async (path) => {
    await writeFile(join(path, "meta.json.tmp"), JSON.stringify(META).slice(0, 30));
    const data = await openDataDirectory(path);
    assert.equal(data.fresh, true);
    await data.finishFirstStart();
    await data.close();
    assert.deepEqual((await readdir(path)).sort(), ["logs", "meta.json"]);
    await (await openDataDirectory(path)).close();
  }));

test("two directories are two replicas of two clusters", () =>
  withDirectory(async (parent) => {
    const a = await openDataDirectory(join(parent, "a"));
    const b = await openDataDirectory(join(parent, "b"));
    assert.notEqual(a.meta.replicaId, b.meta.replicaId);
    assert.notEqual(a.meta.clusterId, b.meta.clusterId);
    await a.close();
    await b.close();
  }));

test("without a configured name a directory keeps the one it has", () =>
  withDirectory(async (path) => {
    await (await openDataDirectory(path, { nameIfNew: "host-1" })).close();
    const again = await openDataDirectory(path, { nameIfNew: "host-2" });
    assert.equal(again.meta.name, "host-1");
    assert.equal(again.meta.clusterName, "proglog");
    await again.close();
  }));

test("it is closed to others while it is open", () =>
  withDirectory(async (path) => {
    const data = await openDataDirectory(path);
    await assert.rejects(openDataDirectory(path), refusal("LOCKED", path, String(process.pid)));
    await data.close();
    await (await openDataDirectory(path)).close();
  }));

test("a refused directory is not locked by the refusal", () =>
  withDirectory(async (path) => {
    await (await openDataDirectory(path, { name: "a" })).close();
    await assert.rejects(openDataDirectory(path, { name: "b" }), refusal("CONFIGURATION"));
    await (await openDataDirectory(path, { name: "a" })).close();
  }));

test("another name, or another cluster's directory, is a mistake in the configuration", () =>
  withDirectory(async (path) => {
    await (await openDataDirectory(path, { clusterName: "blue", name: "a" })).close();
    const cases: readonly [DataDirectoryOptions, string][] = [
      [{ clusterName: "blue", name: "b" }, 'the configured node name is "b"'],
      [{ clusterName: "red", name: "a" }, 'the configured cluster name is "red"'],
    ];
    for (const [options, sentence] of cases) {
      const whose = '"a" of the cluster "blue"';
      const expected = refusal("CONFIGURATION", path, whose, sentence);
      await assert.rejects(openDataDirectory(path, options), expected);
    }
  }));

const META = {
  formatVersion: 1,
  clusterName: "c",
  clusterId: "0123456789abcdef0123456789abcdef",
  name: "a",
  replicaId: 7,
};

const FOREIGN: readonly [name: string, content: string, words: string][] = [
  ["a newer format", JSON.stringify({ ...META, formatVersion: 2 }), "it has format 2"],
  ["no version", JSON.stringify({ ...META, formatVersion: undefined }), "no formatVersion"],
  ["cut short", JSON.stringify(META).slice(0, 30), "not JSON"],
  ["empty", "", "not JSON"],
  ["no UTF-8", "\u{1F600}".slice(0, 1), "not JSON"],
  ["a list", "[1]", "not a JSON object"],
  ["null", "null", "not a JSON object"],
  ["no name", JSON.stringify({ ...META, name: "" }), "its name"],
  ["no cluster name", JSON.stringify({ ...META, clusterName: 1 }), "its clusterName"],
  ["a short cluster id", JSON.stringify({ ...META, clusterId: "abc" }), "its clusterId"],
  ["a replica id of text", JSON.stringify({ ...META, replicaId: "7" }), "its replicaId"],
  ["a huge replica id", JSON.stringify({ ...META, replicaId: 2 ** 60 }), "its replicaId"],
  ["somebody's film", "x".repeat(100_000), "it has 100000 bytes"],
];

for (const [name, content, words] of FOREIGN) {
  test(`meta.json is refused: ${name}`, () =>
    withDirectory(async (path) => {
      const file = join(path, "meta.json");
      await writeFile(file, content, name === "no UTF-8" ? "latin1" : "utf8");
      const before = await readFile(file);
      await assert.rejects(openDataDirectory(path), refusal("UNSUPPORTED_FORMAT", file, words));
      assert.deepEqual(await readFile(file), before);
    }));
}

for (const name of ["00000000000000000001.log", "raft.state"]) {
  test(`a log without meta.json is refused: ${name}`, () =>
    withDirectory(async (path) => {
      await mkdir(join(path, "logs", "default"), { recursive: true });
      await writeFile(join(path, "logs", "default", name), "");
      const expected = refusal("UNSUPPORTED_FORMAT", path, '"default"', "meta.json");
      await assert.rejects(openDataDirectory(path), expected);
      assert.deepEqual(await readdir(path), ["logs"]);
    }));
}

test("empty directories of a start that was interrupted are no log", () =>
  withDirectory(async (path) => {
    await mkdir(join(path, "logs", "default"), { recursive: true });
    await mkdir(join(path, "lost+found"));
    const data = await openDataDirectory(path);
    assert.equal(data.fresh, true);
    await data.close();
  }));

test("a file where a directory should be is named", () =>
  withDirectory(async (parent) => {
    const file = join(parent, "file");
    await writeFile(file, "");
    for (const path of [file, join(file, "data"), join(file, "far", "below")]) {
      const expected = refusal("CONFIGURATION", path, "not a directory");
      await assert.rejects(openDataDirectory(path), expected);
    }
    await writeFile(join(parent, "logs"), "");
    const expected = refusal("CONFIGURATION", parent, "not a directory");
    await assert.rejects(openDataDirectory(parent), expected);
  }));

test("a directory in place of meta.json is a matter of configuration", () =>
  withDirectory(async (path) => {
    await mkdir(join(path, "meta.json"));
    await assert.rejects(openDataDirectory(path), refusal("CONFIGURATION", path));
  }));

test("a read-only directory is named, new or not", async (t) => {
  await withDirectory(async (parent) => {
    const path = join(parent, "data");
    await mkdir(path);
    // A mount of its own, in a namespace of its own, so that nothing stays behind.
    const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`;
    const opener = fileURLToPath(new URL("./testing/data-directory-opener.ts", import.meta.url));
    const open = async (): Promise<string> => {
      const node = [process.execPath, "--import", "tsx", opener, path];
      const { stdout } = await run("unshare", ["-rm", "sh", "-c", script, path, ...node]);
      return stdout.trim();
    };
    try {
      await run("unshare", ["-rm", "sh", "-c", script, path, "true"]);
    } catch {
      t.skip("no mount namespaces here");
      return;
    }
    assert.match(await open(), /^CONFIGURATION .*\/data cannot be used: .*read-only/);
    await (await openDataDirectory(path)).close();
    assert.match(await open(), /^CONFIGURATION .*\/data cannot be used: .*read-only/);
  });
});

/** Runs `work` as somebody without rights: root may do everything. */
async function withoutRights(work: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return work();
  process.seteuid?.("nobody");
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

test("a directory without rights is named", async () => {
  await withDirectory(async (parent) => {
    const path = join(parent, "data");
    await mkdir(path, { mode: 0o000 });
    await chmod(parent, 0o755);
    await withoutRights(async () => {
      await assert.rejects(openDataDirectory(path), refusal("CONFIGURATION", path, "permission"));
    });
  });
});

for (const code of ["EACCES", "EROFS"] as const) {
  test(`whatever call meets ${code}, the sentence names the directory`, async () => {
    for (let nth = 1; nth < 100; nth++) {
      const disk = new FaultDisk({ random: seededRandom(1) });
      await disk.makeDirectory("/srv");
      const fault = disk.inject({ nth, always: true }, { error: code });
      const opened = openDataDirectory("/srv/data", { disk });
      if (nth > 20) {
        await opened;
        assert.equal(fault.hits, 0);
        return;
      }
      await opened.then(
        () => undefined,
        (error: unknown) => refusal("CONFIGURATION", "/srv/data")(error),
      );
    }
    assert.fail("the sweep ends");
  });
}

test("a disk that fails is not the configuration's fault", async () => {
  for (const kind of ["read", "write", "sync", "syncDirectory"] as const) {
    const disk = new FaultDisk({ random: seededRandom(1) });
    if (kind === "read") await openDataDirectory("/data", { disk });
    disk.inject({ kind }, { error: "EIO" });
    await assert.rejects(openDataDirectory("/data", { disk }), refusal("STORAGE_FAILED", "EIO"));
  }
});

async function openFinished(path: string, options: DataDirectoryOptions): Promise<DataDirectory> {
  const data = await openDataDirectory(path, options);
  await data.finishFirstStart();
  return data;
}

const CUTS: readonly CrashOptions[] = [
  { keep: "none" },
  { keep: "all" },
  { keep: "random" },
  { keep: "none", directories: "all" },
  { keep: "random", directories: "ordered" },
];

test("the power may be cut at any call: the identity is there, or there is none yet", async () => {
  for (const [number, cut] of CUTS.entries()) {
    let calls = 1;
    for (let stop = 0; stop <= calls; stop++) {
      const disk = new FaultDisk({ random: seededRandom(100 * number + stop) });
      disk.stopAfter(stop);
      const opened = openFinished("/srv/data", { disk, random: seededRandom(1) });
      const first = await Promise.race([opened, disk.stopped]);
      calls = Math.max(calls, disk.callCount);
      const after = disk.crash(cut);
      const second = await openDataDirectory("/srv/data", { disk: after, random: seededRandom(2) });
      assert.deepEqual(after.openFiles, []);
      if (first === undefined) continue;
      assert.equal(second.fresh, false, "what was opened stays");
      assert.deepEqual(second.meta, first.meta);
    }
    assert.ok(calls > 10, `${calls} calls`);
  }
});

test("the process may be killed at any call, and then the power fail after the next start", async () => {
  for (let stop = 0, calls = 1; stop <= calls; stop++) {
    const disk = new FaultDisk({ random: seededRandom(stop) });
    disk.stopAfter(stop);
    await Promise.race([openFinished("/srv/data", { disk }), disk.stopped]);
    calls = Math.max(calls, disk.callCount);
    const restarted = disk.kill();
    const opened = await openDataDirectory("/srv/data", { disk: restarted });
    const after = restarted.crash({ keep: "none" });
    assert.equal(after.medium.has("/srv/data/logs/default"), true);
    const again = await openDataDirectory("/srv/data", { disk: after });
    assert.deepEqual(again.meta, opened.meta);
  }
});

test("removing leaves nothing, and interrupted never a log without an identity", async () => {
  await withDirectory(async (parent) => {
    const path = join(parent, "data");
    const data = await openDataDirectory(path);
    await writeFile(join(data.logDirectory("default"), "00000000000000000001.log"), "x");
    await data.remove();
    await assert.rejects(stat(path), { code: "ENOENT" });
  });
  for (let stop = 0, calls = 1; stop <= calls; stop++) {
    const disk = new FaultDisk({ random: seededRandom(stop) });
    disk.medium.load("/data/logs/default/raft.state", new Uint8Array(10));
    disk.medium.load("/data/logs/default/00000000000000000001.log", new Uint8Array(10));
    disk.medium.load("/data/meta.json", new TextEncoder().encode(JSON.stringify(META)));
    const data = await openDataDirectory("/data", { disk });
    const before = disk.callCount;
    disk.stopAfter(before + stop);
    await Promise.race([data.remove(), disk.stopped]);
    calls = Math.max(calls, disk.callCount - before);
    await openDataDirectory("/data", { disk: disk.crash({ keep: "random" }) });
  }
});
