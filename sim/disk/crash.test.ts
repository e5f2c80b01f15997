/** What a power cut, and what a kill, leaves. Each test is a story that happened to somebody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/index.ts";
import type { CrashOptions, FaultDisk } from "./index.ts";
import { bytes, get, newDisk, put, text } from "./testing.ts";

/** A disk with a durable file "old old" at /log, and the handle that the story goes on with. */
function durableFile(content = "old old"): FaultDisk {
  const disk = newDisk();
  disk.medium.load("/log", bytes(content));
  return disk;
}

/** All outcomes of a crash over many seeds. */
async function outcomes(
  story: (disk: FaultDisk) => Promise<void>,
  crash: CrashOptions,
  look: (disk: FaultDisk) => string,
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) {
    const disk = newDisk({ random: seededRandom(seed) });
    await story(disk);
    seen.add(look(disk.crash(crash)));
  }
  return seen;
}

test("written is not durable, synced is", async () => {
  const disk = durableFile();
  const file = await disk.open("/log", "write");
  await file.write(bytes("new"), 0);
  assert.equal(await get(disk, "/log"), "new old");
  assert.equal(await get(disk.clone().crash({ keep: "none" }), "/log"), "old old");
  await file.sync();
  assert.equal(await get(disk.clone().crash({ keep: "none" }), "/log"), "new old");
  await file.write(bytes("..."), 7);
  assert.equal(await get(disk.clone().crash({ keep: "none" }), "/log"), "new old");
  assert.equal(await get(disk.clone().crash({ keep: "all" }), "/log"), "new old...");
});

test("a killed process loses nothing that was written, and syncing is still to be done", async () => {
  const disk = durableFile();
  const file = await disk.open("/log", "write");
  await file.write(bytes("new"), 0);
  await put(disk, "/other", "x");
  const next = disk.kill();
  assert.equal(await get(next, "/log"), "new old");
  assert.deepEqual(next.openFiles, []);
  const cut = next.crash({ keep: "none" });
  assert.equal(await get(cut, "/log"), "old old");
  assert.equal(cut.medium.has("/other"), false);
});

test("a disk that was killed or crashed answers nobody", async () => {
  for (const end of ["kill", "crash"] as const) {
    const disk = durableFile();
    const file = await disk.open("/log", "write");
    disk[end]();
    let answered = false;
    const note = (): void => {
      answered = true;
    };
    file.write(bytes("late"), 0).then(note, note);
    disk.list("/").then(note, note);
    await turns();
    assert.equal(answered, false);
    assert.equal(text(disk.medium.bytes("/log")), "old old");
  }
});

test("a file that was synced in a directory that was not is gone", async () => {
  const disk = newDisk();
  const file = await disk.open("/log", "create");
  await file.write(bytes("data"), 0);
  await file.sync();
  assert.equal(disk.clone().crash({ keep: "none" }).medium.has("/log"), false);
  await disk.syncDirectory("/");
  assert.equal(text(disk.crash({ keep: "none" }).medium.bytes("/log")), "data");
});

test("a name without its bytes: the directory was synced, the file was not", async () => {
  const disk = newDisk();
  await put(disk, "/log", "data");
  await disk.syncDirectory("/");
  const after = disk.crash({ keep: "none" });
  assert.equal(text(after.medium.bytes("/log")), "");
});

test("rename before sync: the old name has neither the old bytes nor the new", async () => {
  const disk = durableFile();
  await put(disk, "/log.new", "new");
  await disk.rename("/log.new", "/log");
  await disk.syncDirectory("/");
  assert.equal(text(disk.clone().crash({ keep: "none" }).medium.bytes("/log")), "");
});

test("temporary file, sync, rename, directory sync: at every moment one whole content", async () => {
  const disk = durableFile();
  const forks: FaultDisk[] = [];
  disk.onCall = () => forks.push(disk.clone());
  const file = await disk.open("/log.new", "create");
  await file.write(bytes("new"), 0);
  await file.sync();
  await file.close();
  await disk.rename("/log.new", "/log");
  await disk.syncDirectory("/");
  forks.push(disk.clone());
  const seen = new Set<string>();
  for (const fork of forks) {
    for (let i = 0; i < 20; i++) seen.add(text(fork.clone().crash().medium.bytes("/log")));
  }
  assert.deepEqual([...seen].sort(), ["new", "old old"]);
  const last = forks.at(-1)?.crash({ keep: "none" });
  assert.equal(last && text(last.medium.bytes("/log")), "new");
});

test("a rename is kept or lost as a whole, also from one directory to another", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/a/file", bytes("x"));
    disk.medium.load("/b/other", bytes("y"));
    await disk.rename("/a/file", "/b/file");
  };
  const look = ({ medium }: FaultDisk): string =>
    `${medium.names("/a").join()}|${medium.names("/b").join()}`;
  const seen = await outcomes(story, { keep: "none", directories: "random" }, look);
  assert.deepEqual([...seen].sort(), ["file|other", "|file,other"]);
});

test("operations on names: a journal keeps the first ones, others any that fit together", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/old", bytes("old"));
    await put(disk, "/a", "");
    await disk.unlink("/old");
    await disk.rename("/a", "/b");
  };
  const look = (disk: FaultDisk): string => disk.medium.names("/").join();
  const ordered = await outcomes(story, { keep: "none", directories: "ordered" }, look);
  assert.deepEqual([...ordered].sort(), ["a", "a,old", "b", "old"]);
  // The unlink alone is possible as well; the rename without the creation is not.
  const free = await outcomes(story, { keep: "none", directories: "random" }, look);
  assert.deepEqual([...free].sort(), ["", "a", "a,old", "b", "b,old", "old"]);
});

test("a file has one name: of two renames the second is not kept without the first", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/a", bytes("x"));
    await disk.rename("/a", "/b");
    await disk.rename("/b", "/c");
  };
  const look = (disk: FaultDisk): string => disk.medium.names("/").join();
  const seen = await outcomes(story, { keep: "none", directories: "random" }, look);
  assert.deepEqual([...seen].sort(), ["a", "b", "c"]);
});

test("every subset of three operations on names can be asked for", async () => {
  const disk = newDisk();
  disk.medium.load("/1", bytes("1"));
  await put(disk, "/2", "2");
  await disk.unlink("/1");
  await put(disk, "/3", "3");
  assert.deepEqual(
    disk.medium.pendingDirectoryOperations().map(({ kind, path }) => `${kind} ${path}`),
    ["create /2", "unlink /1", "create /3"],
  );
  const seen = new Set<string>();
  for (let mask = 0; mask < 8; mask++) {
    const directories = (_: unknown, number: number): boolean => (mask & (1 << number)) !== 0;
    const after = disk.clone().crash({ keep: "all", directories });
    seen.add(after.medium.names("/").join());
  }
  assert.deepEqual([...seen].sort(), ["", "1", "1,2", "1,2,3", "1,3", "2", "2,3", "3"]);
});

test("a file below a directory whose own name was not synced cannot be found", async () => {
  const disk = newDisk();
  await disk.makeDirectory("/data/logs");
  await put(disk, "/data/logs/file", "x");
  await disk.syncDirectory("/data/logs");
  await disk.syncDirectory("/data");
  assert.deepEqual(disk.clone().crash({ keep: "none" }).medium.names("/"), []);
  await disk.syncDirectory("/");
  assert.equal(disk.clone().crash({ keep: "none" }).medium.has("/data/logs/file"), true);
});

test("what was unlinked is back, with its bytes, when the directory was not synced", async () => {
  const disk = durableFile();
  await disk.unlink("/log");
  assert.equal(await get(disk.clone().crash({ keep: "none" }), "/log"), "old old");
  await disk.syncDirectory("/");
  assert.equal(disk.crash({ keep: "none" }).medium.has("/log"), false);
});

test("a torn write: every cut of two appends, in the order they were made", async () => {
  const disk = durableFile("");
  await put(disk, "/index", "");
  await disk.syncDirectory("/");
  const log = await disk.open("/log", "write");
  const index = await disk.open("/index", "write");
  await log.write(bytes("abc"), 0);
  await index.write(bytes("12"), 0);
  await log.write(bytes("de"), 3);
  assert.equal(disk.medium.unsyncedBytes(), 7);
  const states = Array.from({ length: 8 }, (_, at) => {
    const { medium } = disk.clone().crash({ keep: "torn", at });
    return `${text(medium.bytes("/log"))} ${text(medium.bytes("/index"))}`;
  });
  assert.deepEqual(states, [" ", "a ", "ab ", "abc ", "abc 1", "abc 12", "abcd 12", "abcde 12"]);
});

test("a torn write with a tail: the length grew, the bytes are zeros or somebody else's", async () => {
  const disk = durableFile("head");
  const file = await disk.open("/log", "write");
  await file.write(bytes("-body-tail"), 4);
  const cut = (tail: "cut" | "zeros" | "junk"): string =>
    text(disk.clone().crash({ keep: "torn", at: 5, tail }).medium.bytes("/log"));
  assert.equal(cut("cut"), "head-body");
  assert.equal(cut("zeros"), "head-body\0\0\0\0\0");
  const junk = cut("junk");
  assert.equal(junk.slice(0, 9), "head-body");
  assert.equal(junk.length, 14);
  assert.notEqual(junk.slice(9), "\0\0\0\0\0");
});

test("an overwrite is torn between old and new bytes", async () => {
  const disk = durableFile("0000000000");
  const file = await disk.open("/log", "write");
  await file.write(bytes("11111111"), 1);
  const after = disk.crash({ keep: "torn", at: 3 });
  assert.equal(text(after.medium.bytes("/log")), "0111000000");
});

test("appends far apart in time are cut in the order of time, truncations with them", async () => {
  const disk = durableFile("abcdef");
  const file = await disk.open("/log", "write");
  await file.truncate(2);
  await file.write(bytes("XY"), 2);
  const states = [0, 1, 2].map((at) =>
    text(disk.clone().crash({ keep: "torn", at }).medium.bytes("/log")),
  );
  assert.deepEqual(states, ["ab", "abX", "abXY"]);
  assert.equal(text(disk.clone().crash({ keep: "none" }).medium.bytes("/log")), "abcdef");
});

test("of dirty pages a power cut keeps any subset, in any order", async () => {
  const page = (letter: string): string => letter.repeat(4096);
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/log", bytes(page("a") + page("b") + page("c")));
    const file = await disk.open("/log", "write");
    for (const [i, letter] of ["A", "B", "C"].entries()) {
      await file.write(bytes(page(letter)), i * 4096);
    }
  };
  const look = ({ medium }: FaultDisk): string => {
    const content = text(medium.bytes("/log"));
    return [0, 4096, 8192].map((at) => lettersOf(content.slice(at, at + 4096))).join(" ");
  };
  const seen = await outcomes(story, { keep: "random" }, look);
  for (let mask = 0; mask < 8; mask++) {
    const whole = ["a", "b", "c"].map((letter, i) =>
      mask & (1 << i) ? letter.toUpperCase() : letter,
    );
    assert.equal(
      seen.has(whole.join(" ")),
      true,
      `${whole.join(" ")} is among ${[...seen].join(", ")}`,
    );
  }
  assert.equal(
    [...seen].some((state) => state.includes("Aa")),
    true,
    "some page is torn",
  );
  assert.equal(
    [...seen].some((state) => /aA|bB|cC/.test(state)),
    false,
    "from its beginning on",
  );
});

test("with sectors of 512 bytes a page itself can be mixed", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/log", bytes("a".repeat(4096)));
    const file = await disk.open("/log", "write");
    await file.write(bytes("A".repeat(4096)), 0);
  };
  const look = ({ medium }: FaultDisk): string => lettersOf(text(medium.bytes("/log")));
  const seen = await outcomes(story, { keep: "random", blockBytes: 512 }, look);
  assert.equal(
    [...seen].some((state) => state.includes("aA")),
    true,
  );
});

test("a file that grew may have its new length without its bytes, or with junk", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/log", bytes("x".repeat(100)));
    const file = await disk.open("/log", "write");
    await file.write(bytes("y".repeat(9_000)), 100);
  };
  let zeros = 0;
  let junk = 0;
  let shorter = 0;
  const look = ({ medium }: FaultDisk): string => {
    const content = text(medium.bytes("/log"));
    assert.equal(content.slice(0, 100), "x".repeat(100), "what was durable is untouched");
    if (content.length < 9_100) shorter += 1;
    if (/\0{900}$/.test(content)) zeros += 1;
    if (/[^xy\0]{100}/.test(content)) junk += 1;
    return "";
  };
  await outcomes(story, { keep: "random" }, look);
  assert.equal(zeros > 0 && junk > 0 && shorter > 0, true, `${zeros} ${junk} ${shorter}`);
});

test("a truncation that was not synced is kept or lost, and then what follows it as well", async () => {
  const story = async (disk: FaultDisk): Promise<void> => {
    disk.medium.load("/log", bytes("a".repeat(10_000)));
    const file = await disk.open("/log", "write");
    await file.truncate(1_000);
    await file.write(bytes("b".repeat(10_000)), 1_000);
  };
  const look = ({ medium }: FaultDisk): string => lettersOf(text(medium.bytes("/log")));
  const seen = await outcomes(story, { keep: "random" }, look);
  assert.equal(seen.has("a"), true, "the truncation was lost");
  assert.equal(seen.has("ab"), true, "all was kept");
  assert.equal(
    [...seen].some((state) => /ba$/.test(state)),
    false,
    "no old bytes behind new ones",
  );
});

test("a call under way may have happened, in part, or not at all", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const disk = newDisk({ random: seededRandom(seed) });
    disk.medium.load("/log", bytes(""));
    const file = await disk.open("/log", "write");
    const hold = disk.hold({ kind: "write" });
    void file.write(bytes("abc"), 0);
    await hold.arrived;
    const next = disk.kill();
    seen.add(text(next.medium.bytes("/log")));
  }
  assert.deepEqual([...seen].sort(), ["", "a", "ab", "abc"]);
});

test("a sync makes durable what was written before it was called, not what came while it ran", async () => {
  const disk = durableFile("");
  const file = await disk.open("/log", "write");
  await file.write(bytes("before"), 0);
  const hold = disk.hold({ kind: "sync" });
  const synced = file.sync();
  await hold.arrived;
  await file.write(bytes(" after"), 6);
  assert.equal(text(disk.clone().crash({ keep: "none" }).medium.bytes("/log")), "");
  hold.release();
  await synced;
  assert.equal(text(disk.clone().crash({ keep: "none" }).medium.bytes("/log")), "before");
  assert.equal(await get(disk, "/log"), "before after");
  assert.equal(disk.medium.unsyncedBytes(), " after".length);
  await file.sync();
  assert.equal(text(disk.crash({ keep: "none" }).medium.bytes("/log")), "before after");
});

test("two syncs at once: whichever ends first, each keeps what it covers", async () => {
  for (const order of ["first", "second"] as const) {
    const disk = durableFile("");
    const file = await disk.open("/log", "write");
    await file.write(bytes("1"), 0);
    const holds = [disk.hold({ kind: "sync" })];
    const first = file.sync();
    await file.write(bytes("2"), 1);
    holds.push(disk.hold({ kind: "sync" }));
    const second = file.sync();
    await Promise.all(holds.map((hold) => hold.arrived));
    holds[order === "first" ? 0 : 1]?.release();
    await (order === "first" ? first : second);
    const cut = text(disk.clone().crash({ keep: "none" }).medium.bytes("/log"));
    assert.equal(cut, order === "first" ? "1" : "12");
    holds[order === "first" ? 1 : 0]?.release();
    await Promise.all([first, second]);
    assert.equal(text(disk.crash({ keep: "none" }).medium.bytes("/log")), "12");
  }
});

test("a directory sync covers the names that were there when it was called", async () => {
  const disk = newDisk();
  await put(disk, "/a", "");
  const hold = disk.hold({ kind: "syncDirectory" });
  const synced = disk.syncDirectory("/");
  await hold.arrived;
  await put(disk, "/b", "");
  hold.release();
  await synced;
  assert.deepEqual(disk.crash({ keep: "none" }).medium.names("/"), ["a"]);
});

test("a fork and the disk it came from go their own ways", async () => {
  const disk = durableFile("0123456789");
  const file = await disk.open("/log", "write");
  await file.write(bytes("A"), 0);
  const fork = disk.clone();
  const forked = await fork.open("/log", "write");
  await file.write(bytes("B"), 1);
  await forked.write(bytes("C"), 2);
  await forked.truncate(5);
  await disk.unlink("/log");
  assert.equal(text(fork.medium.bytes("/log")), "A1C34");
  assert.equal(text(fork.medium.bytes("/log", "durable")), "0123456789");
  assert.equal(disk.medium.has("/log"), false);
  await forked.sync();
  assert.equal(text(fork.crash({ keep: "none" }).medium.bytes("/log")), "A1C34");
});

test("a fork goes on counting where its origin was: cuts keep the order of the writes", async () => {
  const disk = durableFile("");
  await put(disk, "/log", "ab");
  const fork = disk.clone();
  const file = await fork.open("/log", "write");
  await file.write(bytes("cd"), 2);
  assert.equal(text(fork.crash({ keep: "torn", at: 3 }).medium.bytes("/log")), "abc");
});

function lettersOf(content: string): string {
  return content.replace(/(.)\1*/gs, "$1");
}

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
