/** One suite, two subjects: what the log may expect of a disk, in memory and of the machine's. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AssertionError, seededRandom } from "../../src/base/index.ts";
import { overlayDisk, realDisk, type Disk, type DiskFile } from "../../src/log/index.ts";
import { FaultDisk } from "./index.ts";

type Subject = (work: (disk: Disk, directory: string) => Promise<void>) => Promise<void>;

/** It knows no tree of directories. */
const FLAT = "a disk over one that is only read";

const READS: ReadonlySet<string> = new Set(["open", "read", "size", "close", "list", "free"]);

const SUBJECTS: Readonly<Record<string, Subject>> = {
  "the real disk": async (work) => {
    const directory = await mkdtemp(join(tmpdir(), "proglog-disk-"));
    try {
      await work(realDisk, directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
  [FLAT]: async (work) => {
    const below = new FaultDisk({ random: seededRandom(1) });
    await below.makeDirectory("/data");
    below.onCall = ({ kind }) => assert.ok(READS.has(kind), `${kind} goes through`);
    await work(overlayDisk(below), "/data");
    assert.deepEqual(below.openFiles, [], "every file was closed");
  },
  "the disk in memory": async (work) => {
    const disk = new FaultDisk({ random: seededRandom(1) });
    await disk.makeDirectory("/data");
    await work(disk, "/data");
    assert.deepEqual(disk.openFiles, [], "every file was closed");
  },
};

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function contentOf(file: DiskFile): Promise<string> {
  const into = new Uint8Array(await file.size());
  assert.equal(await file.read(into, 0), into.length);
  return new TextDecoder("latin1").decode(into);
}

async function put(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.open(path, "replace");
  await file.write(bytes(content), 0);
  await file.sync();
  await file.close();
}

async function get(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, "read");
  const content = await contentOf(file);
  await file.close();
  return content;
}

const rejects = (work: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(work, { code });

for (const [name, subject] of Object.entries(SUBJECTS)) {
  describe(name, () => {
    test("keeps what was written, over pages and holes", () =>
      subject(async (disk, directory) => {
        const path = join(directory, "file");
        const file = await disk.open(path, "create");
        assert.equal(await file.size(), 0);
        const long = "0123456789".repeat(1_000);
        await file.write(bytes(long), 3);
        await file.write(bytes("AB"), 4095);
        await file.write(bytes("end"), 20_000);
        await file.write(new Uint8Array(0), 90_000);
        const expected =
          "\0\0\0" + long.slice(0, 4092) + "AB" + long.slice(4094) + "\0".repeat(9_997) + "end";
        assert.equal(await contentOf(file), expected);
        await file.sync();
        await file.close();
        assert.equal(await get(disk, path), expected);
      }));

    test("reads up to the end, and nothing behind it", () =>
      subject(async (disk, directory) => {
        await put(disk, join(directory, "file"), "0123456789");
        const file = await disk.open(join(directory, "file"), "read");
        const into = new Uint8Array(8).fill(120);
        assert.equal(await file.read(into, 6), 4);
        assert.equal(new TextDecoder().decode(into), "6789xxxx");
        assert.equal(await file.read(into, 10), 0);
        assert.equal(await file.read(into, 1e12), 0);
        assert.equal(await file.read(new Uint8Array(0), 0), 0);
        await file.close();
      }));

    test("what a truncation cut does not come back when the file grows", () =>
      subject(async (disk, directory) => {
        const file = await disk.open(join(directory, "file"), "create");
        await file.write(bytes("x".repeat(10_000)), 0);
        await file.sync();
        await file.truncate(4_100);
        assert.equal(await file.size(), 4_100);
        await file.truncate(5_000);
        await file.write(bytes("y"), 9_000);
        const expected = "x".repeat(4_100) + "\0".repeat(4_900) + "y";
        assert.equal(await contentOf(file), expected);
        await file.close();
      }));

    test("modes: create refuses what exists, replace empties it, read and write need it", () =>
      subject(async (disk, directory) => {
        const path = join(directory, "file");
        await rejects(disk.open(path, "read"), "ENOENT");
        await rejects(disk.open(path, "write"), "ENOENT");
        await (await disk.open(path, "create")).close();
        await rejects(disk.open(path, "create"), "EEXIST");
        await put(disk, path, "old");
        const file = await disk.open(path, "write");
        assert.equal(await contentOf(file), "old");
        await file.write(bytes("n"), 0);
        await file.close();
        assert.equal(await get(disk, path), "nld");
        await (await disk.open(path, "replace")).close();
        assert.equal(await get(disk, path), "");
        const readOnly = await disk.open(path, "read");
        await rejects(readOnly.write(bytes("x"), 0), "EBADF");
        await readOnly.close();
      }));

    test("a name is not the file: open files outlive rename and unlink", () =>
      subject(async (disk, directory) => {
        const [a, b] = [join(directory, "a"), join(directory, "b")];
        await put(disk, a, "first");
        await put(disk, b, "second");
        const first = await disk.open(a, "write");
        const second = await disk.open(b, "read");
        await disk.rename(a, b);
        assert.deepEqual(await disk.list(directory), ["b"]);
        assert.equal(await contentOf(second), "second");
        await first.write(bytes("!"), 5);
        assert.equal(await get(disk, b), "first!");
        await disk.unlink(b);
        assert.deepEqual(await disk.list(directory), []);
        assert.equal(await contentOf(first), "first!");
        await first.close();
        await second.close();
      }));

    test("free space is a number of bytes", () =>
      subject(async (disk, directory) => {
        const free = await disk.free(directory);
        assert.equal(Number.isSafeInteger(free) && free > 0, true);
      }));

    test("a closed file is closed twice in peace, and used no more", () =>
      subject(async (disk, directory) => {
        const file = await disk.open(join(directory, "file"), "create");
        const written = file.write(bytes("x".repeat(100_000)), 0);
        const closed = file.close();
        await Promise.all([written, closed, file.close()]);
        assert.throws(() => file.size(), AssertionError);
        assert.throws(() => file.write(bytes("x"), 0), AssertionError);
        assert.equal((await get(disk, join(directory, "file"))).length, 100_000);
      }));

    test("many calls at once on one file", () =>
      subject(async (disk, directory) => {
        const file = await disk.open(join(directory, "file"), "create");
        const numbers = Array.from({ length: 50 }, (_, i) => i);
        await Promise.all(numbers.map((i) => file.write(bytes(String(i).padStart(6, "0")), i * 6)));
        const expected = numbers.map((i) => String(i).padStart(6, "0")).join("");
        assert.equal(await contentOf(file), expected);
        await file.close();
      }));

    if (name === FLAT) return;

    test("directories are made with their parents, and again without an error", () =>
      subject(async (disk, directory) => {
        const deep = join(directory, "a", "b");
        await disk.makeDirectory(deep);
        await disk.makeDirectory(deep);
        await put(disk, join(deep, "file"), "x");
        assert.deepEqual(await disk.list(deep), ["file"]);
        assert.deepEqual(await disk.list(directory), ["a"]);
        await disk.syncDirectory(deep);
        await disk.rename(join(deep, "file"), join(directory, "moved"));
        assert.deepEqual((await disk.list(directory)).sort(), ["a", "moved"]);
      }));

    test("errors have the operating system's codes", () =>
      subject(async (disk, directory) => {
        const file = join(directory, "file");
        const missing = join(directory, "missing");
        await put(disk, file, "x");
        await rejects(disk.open(join(missing, "x"), "create"), "ENOENT");
        await rejects(disk.open(join(file, "x"), "create"), "ENOTDIR");
        await rejects(disk.open(join(file, "x"), "read"), "ENOTDIR");
        await rejects(disk.open(directory, "write"), "EISDIR");
        await rejects(disk.open(directory, "create"), "EEXIST");
        await rejects(disk.list(missing), "ENOENT");
        await rejects(disk.list(file), "ENOTDIR");
        await rejects(disk.rename(missing, file), "ENOENT");
        await rejects(disk.rename(file, join(missing, "x")), "ENOENT");
        await disk.makeDirectory(join(directory, "other"));
        await rejects(disk.rename(file, join(directory, "other")), "EISDIR");
        await rejects(disk.rename(join(directory, "other"), file), "ENOTDIR");
        await rejects(disk.unlink(missing), "ENOENT");
        await rejects(disk.makeDirectory(file), "EEXIST");
        await rejects(disk.makeDirectory(join(file, "x")), "ENOTDIR");
        await rejects(disk.syncDirectory(missing), "ENOENT");
        await rejects(disk.free(missing), "ENOENT");
        await rejects(disk.unlink(directory).catch(asIsDirectory), "EISDIR");
      }));
  });
}

/** Linux says EISDIR, as its manual does; POSIX and others say EPERM. */
function asIsDirectory(error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  throw Object.assign(new Error(), { code: code === "EPERM" ? "EISDIR" : code });
}
