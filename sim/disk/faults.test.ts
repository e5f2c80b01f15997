/** What can happen to single calls, and to bytes at rest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/index.ts";
import type { Disk } from "../../src/log/index.ts";
import type { DiskCallKind, DiskErrorCode, FaultDisk } from "./index.ts";
import { bytes, get, ManualClock, newDisk, put, text } from "./testing.ts";

/** A program that makes each kind of call at least once. */
async function everyKind(disk: Disk): Promise<void> {
  await disk.makeDirectory("/d");
  const file = await disk.open("/d/a", "create");
  await file.write(bytes("abc"), 0);
  await file.sync();
  await file.truncate(2);
  await file.read(new Uint8Array(2), 0);
  await file.size();
  await file.close();
  await disk.rename("/d/a", "/d/b");
  await disk.syncDirectory("/d");
  await disk.list("/d");
  await disk.free("/d");
  await disk.unlink("/d/b");
}

const KINDS: readonly DiskCallKind[] = [
  "makeDirectory",
  "open",
  "write",
  "sync",
  "truncate",
  "read",
  "size",
  "close",
  "rename",
  "syncDirectory",
  "list",
  "free",
  "unlink",
];

const hasCode =
  (code: string) =>
  (error: unknown): boolean => {
    assert.equal((error as NodeJS.ErrnoException).code, code);
    return true;
  };

test("calls are counted and remembered as they came", async () => {
  const disk = newDisk();
  await everyKind(disk);
  assert.deepEqual(
    disk.calls.map(({ kind }) => kind),
    KINDS,
  );
  assert.equal(disk.callCount, KINDS.length);
  const [, , write, , truncate] = disk.calls;
  assert.deepEqual(write, { number: 3, kind: "write", path: "/d/a", position: 0, bytes: 3 });
  assert.deepEqual(truncate, { number: 5, kind: "truncate", path: "/d/a", position: 2, bytes: 0 });
});

test("only the newest calls are remembered", async () => {
  const disk = newDisk({ callsMax: 10 });
  for (let i = 0; i < 1_000; i++) await disk.free("/");
  assert.equal(disk.calls.length >= 10 && disk.calls.length <= 20, true);
  assert.equal(disk.calls.at(-1)?.number, 1_000);
});

test("any call can be the one that fails", async () => {
  for (const [i, kind] of KINDS.entries()) {
    const disk = newDisk();
    const fault = disk.inject({ nth: i + 1 }, { error: "EIO" });
    await assert.rejects(everyKind(disk), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, "EIO");
      assert.match(error.message, /^EIO: i\/o error, /);
      return true;
    });
    assert.equal(fault.hits, 1);
    assert.equal(disk.calls.at(-1)?.kind, kind);
  }
});

test("a fault meets one kind, one path, the n-th of them, once or from then on", async () => {
  const disk = newDisk();
  const codes = async (work: () => Promise<unknown>, count: number): Promise<string[]> => {
    const seen: string[] = [];
    for (let i = 0; i < count; i++) {
      await work().then(
        () => seen.push("ok"),
        (error: unknown) => seen.push((error as NodeJS.ErrnoException).code ?? "?"),
      );
    }
    return seen;
  };
  disk.inject({ kind: "open", path: ".log", nth: 2 }, { error: "EMFILE" });
  assert.deepEqual(await codes(() => put(disk, "/a.index", ""), 3), ["ok", "ok", "ok"]);
  assert.deepEqual(await codes(() => put(disk, "/a.log", ""), 3), ["ok", "EMFILE", "ok"]);
  const always = disk.inject(
    { kind: ["unlink", "rename"], always: true, nth: 2 },
    { error: "EROFS" },
  );
  assert.deepEqual(await codes(() => disk.unlink("/none"), 3), ["ENOENT", "EROFS", "EROFS"]);
  assert.deepEqual(await codes(() => disk.rename("/a.log", "/b"), 1), ["EROFS"]);
  assert.equal(always.hits, 3);
  always.remove();
  assert.deepEqual(await codes(() => disk.rename("/a.log", "/b"), 1), ["ok"]);
  disk.inject({ path: /^\/dir\/\d+$/, always: true }, { error: "EACCES" });
  await disk.makeDirectory("/dir");
  assert.deepEqual(await codes(() => put(disk, "/dir/7", ""), 1), ["EACCES"]);
  assert.deepEqual(await codes(() => put(disk, "/dir/x", ""), 1), ["ok"]);
});

test("what fails changes nothing, except a write that stops in its middle", async () => {
  for (const error of ["EIO", "ENOSPC"] satisfies DiskErrorCode[]) {
    const disk = newDisk();
    disk.medium.load("/log", bytes("old"));
    const file = await disk.open("/log", "write");
    disk.inject({ kind: "write" }, { error });
    await assert.rejects(file.write(bytes("new bytes"), 3), hasCode(error));
    assert.equal(await get(disk, "/log"), "old");
    disk.inject({ kind: "write" }, { error, keep: 4 });
    await assert.rejects(file.write(bytes("new bytes"), 3), hasCode(error));
    assert.equal(await get(disk, "/log"), "oldnew ");
    disk.inject({ kind: "rename" }, { error });
    await assert.rejects(disk.rename("/log", "/gone"), hasCode(error));
    disk.inject({ kind: "truncate" }, { error });
    await assert.rejects(file.truncate(0), hasCode(error));
    assert.equal(await get(disk, "/log"), "oldnew ");
  }
});

test("after a failed sync the next one succeeds, readers see the bytes, and they are gone", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("AAAA"));
  const file = await disk.open("/log", "write");
  await file.write(bytes("BBBB"), 0);
  disk.inject({ kind: "sync" }, { error: "EIO" });
  await assert.rejects(file.sync(), hasCode("EIO"));
  await file.sync();
  assert.equal(await get(disk, "/log"), "BBBB");
  assert.equal(await get(disk.clone().crash({ keep: "all" }), "/log"), "AAAA");
  const uncached = disk.clone();
  uncached.medium.dropCaches();
  assert.equal(await get(uncached, "/log"), "AAAA");
  // Written again, the page is dirty again.
  await file.write(bytes("BBBB"), 0);
  await file.sync();
  assert.equal(await get(disk.crash({ keep: "none" }), "/log"), "BBBB");
});

test("after a failed sync of an append the length may be durable, and the bytes zeros", async () => {
  const disk = newDisk();
  const page = "x".repeat(4096);
  disk.medium.load("/log", bytes(page));
  const file = await disk.open("/log", "write");
  await file.write(bytes("y".repeat(4096)), 4096);
  disk.inject({ kind: "sync" }, { error: "EIO" });
  await assert.rejects(file.sync(), hasCode("EIO"));
  await file.write(bytes("z"), 8192);
  await file.sync();
  const after = text(disk.crash({ keep: "none" }).medium.bytes("/log"));
  assert.equal(after, page + "\0".repeat(4096) + "z");
});

test("a truncation whose sync failed is the next sync's", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("a".repeat(9_000)));
  const file = await disk.open("/log", "write");
  await file.truncate(0);
  await file.write(bytes("z"), 8192);
  disk.inject({ kind: "sync" }, { error: "EIO" });
  await assert.rejects(file.sync(), hasCode("EIO"));
  await file.write(bytes("z"), 8192);
  await file.sync();
  assert.equal(await get(disk.crash({ keep: "none" }), "/log"), "\0".repeat(8192) + "z");
});

test("a sync may fail after some of its pages, in their order", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("a".repeat(12_288)));
  const file = await disk.open("/log", "write");
  await file.write(bytes("b".repeat(12_288)), 0);
  disk.inject({ kind: "sync" }, { error: "EIO", keep: 2 });
  await assert.rejects(file.sync(), hasCode("EIO"));
  const after = text(disk.crash({ keep: "none" }).medium.bytes("/log"));
  assert.equal(after, "b".repeat(8192) + "a".repeat(4096));
});

test("a failed sync leaves to chance whether its pages were written before it failed", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed < 50; seed++) {
    const disk = newDisk({ random: seededRandom(seed) });
    disk.medium.load("/log", bytes("a"));
    const file = await disk.open("/log", "write");
    await file.write(bytes("b"), 0);
    disk.inject({ kind: "sync" }, { error: "EIO" });
    await assert.rejects(file.sync());
    seen.add(await get(disk.crash({ keep: "random" }), "/log"));
  }
  assert.deepEqual([...seen].sort(), ["a", "b"]);
});

test("a failed sync of a directory: the next one has nothing left to do for those names", async () => {
  const disk = newDisk();
  await put(disk, "/a", "");
  disk.inject({ kind: "syncDirectory" }, { error: "EIO" });
  await assert.rejects(disk.syncDirectory("/"), hasCode("EIO"));
  await put(disk, "/b", "");
  await disk.syncDirectory("/");
  assert.deepEqual(disk.medium.names("/"), ["a", "b"]);
  assert.deepEqual(disk.medium.names("/", "durable"), ["b"]);
  assert.deepEqual(disk.crash({ keep: "all" }).medium.names("/"), ["b"]);
});

test("a drive that forgets a write or a sync, and says it was done", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("old"));
  const file = await disk.open("/log", "write");
  disk.inject({ kind: "write" }, { forget: true });
  await file.write(bytes("new"), 0);
  assert.equal(await get(disk, "/log"), "old");
  await file.write(bytes("new"), 0);
  disk.inject({ kind: "sync" }, { forget: true });
  await file.sync();
  assert.equal(await get(disk, "/log"), "new");
  assert.equal(await get(disk.crash({ keep: "none" }), "/log"), "old");
});

test("a write that goes to the wrong place, in its file or in another", async () => {
  const disk = newDisk();
  disk.medium.load("/a", bytes("aaaaaa"));
  disk.medium.load("/b", bytes("bbbbbb"));
  const file = await disk.open("/a", "write");
  disk.inject({ kind: "write" }, { misdirect: { position: 4 } });
  await file.write(bytes("XX"), 0);
  disk.inject({ kind: "write" }, { misdirect: { position: 1, path: "/b" } });
  await file.write(bytes("YY"), 0);
  assert.equal(await get(disk, "/a"), "aaaaXX");
  assert.equal(await get(disk, "/b"), "bYYbbb");
});

test("a bit that turns round on its way from the disk, or to it", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("AAAA"));
  const file = await disk.open("/log", "write");
  disk.inject({ kind: "read" }, { flipBit: 8 });
  const into = new Uint8Array(4);
  await file.read(into, 0);
  assert.equal(text(into), "A@AA");
  await file.read(into, 0);
  assert.equal(text(into), "AAAA", "it was the way, not the place");
  disk.inject({ kind: "write" }, { flipBit: "random" });
  const given = bytes("BBBB");
  await file.write(given, 0);
  assert.equal(text(given), "BBBB", "the program's bytes are its own");
  const stored = disk.medium.bytes("/log");
  const turned = stored.reduce((sum, byte) => sum + bitsOf(byte ^ 66), 0);
  assert.equal(turned, 1);
});

test("damage at rest: a bit, a block, other bytes, a length, a missing file", async () => {
  const disk = newDisk();
  const content = bytes("x".repeat(10_000));
  disk.medium.load("/dir/log", content);
  const file = await disk.open("/dir/log", "read");
  for (let bit = 0; bit < 80_000; bit += 1_111) {
    disk.medium.flipBit("/dir/log", bit);
    const now = disk.medium.bytes("/dir/log");
    assert.equal((now[bit >> 3] ?? 0) ^ 120, 1 << (bit & 7));
    disk.medium.flipBit("/dir/log", bit);
  }
  assert.deepEqual(disk.medium.bytes("/dir/log"), content);
  disk.medium.zeroBlock("/dir/log", 1);
  disk.medium.overwrite("/dir/log", 9_998, bytes("longer"));
  const expected = "x".repeat(4096) + "\0".repeat(4096) + "x".repeat(1_806) + "lo";
  const into = new Uint8Array(10_000);
  await file.read(into, 0);
  assert.equal(text(into), expected);
  assert.equal(text(disk.clone().crash({ keep: "none" }).medium.bytes("/dir/log")), expected);
  disk.medium.resize("/dir/log", 3);
  assert.equal(await file.size(), 3);
  disk.medium.resize("/dir/log", 5);
  assert.equal(await get(disk, "/dir/log"), "xxx\0\0");
  disk.medium.remove("/dir/log");
  assert.deepEqual(disk.crash({ keep: "all" }).medium.names("/dir"), []);
});

test("a fork is not damaged with its origin", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes("AAAA"));
  const fork = disk.clone();
  disk.medium.flipBit("/log", 0);
  assert.equal(await get(disk, "/log"), "@AAA");
  assert.equal(await get(fork, "/log"), "AAAA");
});

test("a disk is full: what fits is written, overwriting goes on, and deleting makes room", async () => {
  const disk = newDisk({ capacityBytes: 4 * 4096 });
  assert.equal(await disk.free("/"), 4 * 4096);
  await put(disk, "/a", "a".repeat(5_000));
  assert.equal(await disk.free("/"), 2 * 4096);
  const b = await disk.open("/b", "create");
  await assert.rejects(b.write(bytes("b".repeat(10_000)), 0), hasCode("ENOSPC"));
  assert.equal(await b.size(), 8192);
  assert.equal(await disk.free("/"), 0);
  await b.write(bytes("c".repeat(8_192)), 0);
  await assert.rejects(b.write(bytes("d"), 8_192), hasCode("ENOSPC"));
  const a = await disk.open("/a", "read");
  await disk.unlink("/a");
  assert.equal(await disk.free("/"), 0, "an open file keeps its room");
  await a.close();
  assert.equal(await disk.free("/"), 2 * 4096);
  await b.truncate(1);
  assert.equal(await disk.free("/"), 3 * 4096);
  disk.capacityBytes = 4096;
  await assert.rejects(put(disk, "/c", "c"), hasCode("ENOSPC"));
  assert.equal(disk.crash({ keep: "none" }).capacityBytes, 4096);
});

test("a process has only so many files", async () => {
  const disk = newDisk({ openFilesMax: 2 });
  await put(disk, "/a", "a");
  const first = await disk.open("/a", "read");
  const second = await disk.open("/a", "read");
  await assert.rejects(disk.open("/a", "read"), hasCode("EMFILE"));
  assert.deepEqual(disk.openFiles, ["/a", "/a"]);
  await first.close();
  await (await disk.open("/a", "read")).close();
  await second.close();
  assert.deepEqual(disk.openFiles, []);
});

test("a process that dies at call n: the calls before happened, and nothing after", async () => {
  for (let n = 0; n <= KINDS.length; n++) {
    const disk = newDisk();
    disk.stopAfter(n);
    const finished = everyKind(disk).then(() => "finished");
    const outcome = await Promise.race([finished, disk.stopped.then(() => "stopped")]);
    assert.equal(outcome, n < KINDS.length ? "stopped" : "finished");
    assert.equal(disk.calls.length, n);
    const names = disk.kill().medium.names("/d").join();
    assert.equal(names, n < 2 || n === KINDS.length ? "" : n < 9 ? "a" : "b");
  }
});

test("a call that was under way when the process died happened, and nobody was told", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes(""));
  const file = await disk.open("/log", "write");
  disk.stopAfter(disk.callCount + 1);
  let answered = false;
  const note = (): void => {
    answered = true;
  };
  file.write(bytes("abc"), 0).then(note, note);
  file.sync().then(note, note);
  await disk.stopped;
  assert.equal(await get(disk.kill("none"), "/log"), "abc");
  assert.equal(answered, false);
});

test("a process that dies within a write leaves a part of it", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes(""));
  const file = await disk.open("/log", "write");
  disk.inject({ kind: "write" }, { hang: true, keep: 3 });
  let answered = false;
  void file.write(bytes("abcdef"), 0).then(() => (answered = true));
  await disk.list("/");
  assert.equal(answered, false);
  assert.equal(await get(disk.kill("none"), "/log"), "abc");
});

test("one run, and a fork of the disk before each of its calls", async () => {
  const disk = newDisk();
  const before: string[] = [];
  const forks: FaultDisk[] = [];
  disk.onCall = ({ kind }) => {
    before.push(kind);
    forks.push(disk.clone());
  };
  await everyKind(disk);
  assert.deepEqual(before, KINDS);
  const lengths = forks.map((fork) =>
    fork.medium.has("/d/a") ? fork.medium.bytes("/d/a").length : undefined,
  );
  const none = undefined;
  assert.deepEqual(lengths, [none, none, 0, 3, 3, 2, 2, 2, 2, none, none, none, none]);
});

test("a held call waits, others overtake it", async () => {
  const disk = newDisk();
  disk.medium.load("/log", bytes(""));
  const file = await disk.open("/log", "write");
  const hold = disk.hold({ kind: "sync" });
  const order: string[] = [];
  const synced = file.sync().then(() => order.push("sync"));
  const call = await hold.arrived;
  assert.equal(call.kind, "sync");
  await file.write(bytes("x"), 0).then(() => order.push("write"));
  hold.release();
  await synced;
  assert.deepEqual(order, ["write", "sync"]);
});

test("delays are the clock's, and calls complete in the order of their ends", async () => {
  const clock = new ManualClock();
  const disk = newDisk({ clock });
  disk.medium.load("/log", bytes("start"));
  const file = await disk.open("/log", "write");
  disk.delayMs = ({ kind }) => (kind === "sync" ? 100 : 10);
  const order: string[] = [];
  const note = (word: string) => (): number => order.push(word);
  const all = [file.sync().then(note("sync")), file.size().then(note("size"))];
  clock.advance(9);
  await Promise.resolve();
  assert.deepEqual(order, []);
  clock.advance(1);
  await all[1];
  assert.deepEqual(order, ["size"]);
  clock.advance(90);
  await Promise.all(all);
  assert.deepEqual(order, ["size", "sync"]);
});

test("bytes are taken when the call completes: a buffer that is used again too early is noticed", async () => {
  const clock = new ManualClock();
  const disk = newDisk({ clock });
  disk.medium.load("/log", bytes(""));
  const file = await disk.open("/log", "write");
  disk.delayMs = () => 5;
  const buffer = bytes("first");
  const written = file.write(buffer, 0);
  buffer.set(bytes("oops!"));
  clock.advance(5);
  await written;
  assert.equal(text(disk.medium.bytes("/log")), "oops!");
});

function bitsOf(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}
