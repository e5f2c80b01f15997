import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  below,
  decodeBatch,
  encodeBatch,
  ProglogError,
  seededRandom,
  soleVoter,
} from "../base/index.ts";
import type { AppendAnswer, ProducerIdentity } from "../base/index.ts";
import { Log, realDisk } from "../log/index.ts";
import type { Disk, LogOptions } from "../log/index.ts";
import { ProducerTable } from "./producers.ts";
import { Replica } from "./replica.ts";
import { bytesOf, fixtureOptions } from "./testing/harness.ts";

// The same replica over the real log: what a log in memory cannot show.

interface Server extends AsyncDisposable {
  readonly log: Log;
  readonly replica: Replica;
}

async function open(directory: string, options: Partial<LogOptions> = {}): Promise<Server> {
  const producers = new ProducerTable();
  const log = await Log.open({
    directory,
    state: producers,
    initial: { configuration: soleVoter({ replicaId: 7, name: "one" }), vote: 7 },
    scrubBytesPerSecond: 0,
    freeBytesMin: 0,
    segmentBytesMax: 4096,
    ...options,
  });
  const replica = await Replica.start({ ...fixtureOptions, log, producers });
  const close = async (): Promise<void> => {
    await replica.close();
    await log.close();
  };
  return { log, replica, [Symbol.asyncDispose]: close };
}

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-replica-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function readAll({ replica }: Server): Promise<string[]> {
  const values: string[] = [];
  for (let at = replica.lowestOffset; at < replica.highWatermark;) {
    const batches = await replica.read(at, 10_000);
    assert.ok(batches.length > 0, `something is read at ${at}`);
    for (const batch of batches) {
      for (const { offset, value } of decodeBatch(batch)) {
        if (offset < at) continue;
        assert.equal(offset, at, "offsets are dense");
        values.push(new TextDecoder().decode(value ?? undefined));
        at++;
      }
    }
  }
  return values;
}

const send = (
  { replica }: Server,
  producer: ProducerIdentity,
  sequence: number,
): Promise<AppendAnswer> =>
  replica.append(
    { value: bytesOf(`${producer.id}/${sequence}`) },
    { stamp: { ...producer, sequence } },
  );

/** Appends of three producers and of none, over several segments; the answers of the last two. */
async function fill(server: Server): Promise<{
  readonly producers: readonly ProducerIdentity[];
  readonly answers: readonly AppendAnswer[];
}> {
  const producers = [
    await server.replica.createProducer("a"),
    await server.replica.createProducer(""),
    await server.replica.createProducer("b"),
  ];
  const answers: AppendAnswer[] = [];
  for (let sequence = 0; sequence < 40; sequence++) {
    const sent = producers.map((producer) => send(server, producer, sequence));
    await server.replica.append({ value: bytesOf("plain") });
    answers.push(...(await Promise.all(sent)));
  }
  assert.ok(server.log.segmentCount > 3, "the table went through .side files");
  return { producers, answers };
}

/** Everything that the table must still know after a restart. */
async function checkProducers(
  server: Server,
  filled: Awaited<ReturnType<typeof fill>>,
): Promise<void> {
  const { producers, answers } = filled;
  for (const [i, producer] of producers.entries()) {
    for (const sequence of [35, 39]) {
      const first = answers[sequence * producers.length + i] as AppendAnswer;
      assert.deepEqual(await send(server, producer, sequence), { ...first, duplicate: true });
    }
    await assert.rejects(send(server, producer, 34), { code: "DUPLICATE_SEQUENCE" });
    await assert.rejects(send(server, producer, 41), { code: "SEQUENCE_GAP" });
  }
  const [a, unnamed] = producers as [ProducerIdentity, ProducerIdentity];
  assert.deepEqual(await server.replica.createProducer("a"), { id: a.id, epoch: 1 });
  await assert.rejects(send(server, a, 40), { code: "PRODUCER_FENCED" });
  assert.equal((await send(server, unnamed, 40)).duplicate, false);
}

test("producers are known after a clean restart", async () => {
  await withDirectory(async (directory) => {
    let filled: Awaited<ReturnType<typeof fill>>;
    {
      await using server = await open(directory);
      filled = await fill(server);
      assert.equal(server.replica.term, 1);
    }
    await using server = await open(directory);
    assert.equal(server.replica.term, 2);
    assert.equal(server.replica.highWatermark, 160);
    await checkProducers(server, filled);
  });
});

test("producers are known after a crash, from what was on the disk when the last was answered", async () => {
  await withDirectory(async (directory) => {
    const before = join(directory, "before");
    const after = join(directory, "after");
    await realDisk.makeDirectory(before);
    await using server = await open(before);
    const filled = await fill(server);
    await cp(before, after, { recursive: true });
    await using crashed = await open(after);
    assert.equal(crashed.replica.term, 2);
    await checkProducers(crashed, filled);
  });
});

test("many appends of all kinds at once: each answer is where the record is", async () => {
  await withDirectory(async (directory) => {
    const random = seededRandom(42);
    const expected = new Map<number, string>();
    let refused = 0;
    {
      await using server = await open(directory, { segmentBytesMax: 64 * 1024 });
      const { replica } = server;
      const producer = await replica.createProducer("p");
      let sequence = 0;
      for (let round = 0; round < 60; round++) {
        let stamped = 0;
        const appends = Array.from({ length: 20 }, async (_, i) => {
          const values = Array.from(
            { length: 1 + below(random, 3) },
            (_, j) => `${round}.${i}.${j}`,
          );
          const records = values.map((value) => ({ value: bytesOf(value) }));
          const kind = below(random, 4);
          let answer: Promise<AppendAnswer>;
          if (kind === 0 && stamped < 5) {
            stamped += 1;
            const stamp = { ...producer, sequence };
            sequence += values.length;
            const batch = encodeBatch(records, { nowMs: 1, stamp });
            const twice = replica.appendBatch(batch.slice());
            answer = replica.appendBatch(batch);
            assert.equal((await answer).baseOffset, (await twice).baseOffset);
          } else if (kind === 1) {
            answer = replica.appendBatch(encodeBatch(records, { nowMs: 1 }));
          } else {
            values.length = 1;
            const expectedOffset =
              kind === 2 ? replica.highWatermark + below(random, 9) : undefined;
            answer = replica.append({ value: bytesOf(values[0] as string) }, { expectedOffset });
          }
          const done = await answer.catch((error: unknown) => error as ProglogError);
          if (done instanceof ProglogError) {
            assert.equal(`${done.code} ${done.notAppended}`, "OFFSET_MISMATCH true");
            refused += 1;
            return;
          }
          for (const [j, value] of values.entries()) {
            assert.ok(!expected.has(done.baseOffset + j), "an offset is given once");
            expected.set(done.baseOffset + j, value);
          }
        });
        await Promise.all(appends);
      }
      assert.ok(refused > 0 && expected.size > 1000);
      assert.equal(replica.highWatermark, expected.size);
      assert.ok(server.log.lastIndex < expected.size, "some shared an entry");
    }
    await using server = await open(directory);
    const values = await readAll(server);
    assert.deepEqual(
      values,
      values.map((_, offset) => expected.get(offset)),
    );
    assert.equal(values.length, expected.size);
  });
});

/** A disk that takes no more bytes while `full` is set, and whose next cut of a file can be held up. */
function limitedDisk(): {
  readonly disk: Disk;
  full: boolean;
  holdCut(): Promise<() => void>;
} {
  let begun: ((goOn: () => void) => void) | undefined;
  const limited = {
    full: false,
    holdCut: () => new Promise<() => void>((resolve) => (begun = resolve)),
    disk: {
      ...realDisk,
      open: async (path: string, mode: Parameters<Disk["open"]>[1]) => {
        const file = await realDisk.open(path, mode);
        const write = file.write.bind(file);
        file.write = (bytes, position) =>
          limited.full
            ? Promise.reject(Object.assign(new Error("ENOSPC: write"), { code: "ENOSPC" }))
            : write(bytes, position);
        const truncate = file.truncate.bind(file);
        file.truncate = async (bytes) => {
          const tell = begun;
          begun = undefined;
          if (tell !== undefined) await new Promise<void>((goOn) => tell(goOn));
          await truncate(bytes);
        };
        return file;
      },
    },
  };
  return limited;
}

test("a full disk: refused as not appended, nothing of it is ever read, and then it goes on", async () => {
  await withDirectory(async (directory) => {
    const limited = limitedDisk();
    const { disk } = limited;
    {
      await using server = await open(directory, { disk });
      const producer = await server.replica.createProducer("p");
      await send(server, producer, 0);
      limited.full = true;
      const refused = [1, 2, 3].map((sequence) => send(server, producer, sequence));
      for (const { status, ...rest } of await Promise.allSettled(refused)) {
        assert.equal(status, "rejected");
        const { reason } = rest as { readonly reason: ProglogError };
        assert.equal(`${reason.code} ${reason.notAppended}`, "RESOURCE_EXHAUSTED true");
      }
      assert.equal((await readAll(server)).length, 1);
      limited.full = false;
      const answers = await Promise.all([1, 2].map((sequence) => send(server, producer, sequence)));
      assert.deepEqual(
        answers.map(({ baseOffset, duplicate }) => [baseOffset, duplicate]),
        [
          [1, false],
          [2, false],
        ],
      );
    }
    await using server = await open(directory);
    const [first] = await readAll(server);
    assert.deepEqual(
      await readAll(server),
      [0, 1, 2].map((i) => first?.replace("/0", `/${i}`)),
    );
  });
});

test("what comes while a group that did not fit is taken back makes nothing of it true", async () => {
  await withDirectory(async (directory) => {
    const limited = limitedDisk();
    await using server = await open(directory, { disk: limited.disk });
    await server.replica.append({ value: bytesOf("first") });
    limited.full = true;
    const cutting = limited.holdCut();
    const refused = assert.rejects(server.replica.append({ value: bytesOf("did not fit") }), {
      code: "RESOURCE_EXHAUSTED",
      notAppended: true,
    });
    const goOn = await cutting;
    const meanwhile = server.replica.append({ value: bytesOf("came meanwhile") });
    // Long enough for whoever does not wait until the log is what it will be.
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    limited.full = false;
    goOn();
    await refused;
    assert.equal((await meanwhile).baseOffset, 1);
    assert.deepEqual(await readAll(server), ["first", "came meanwhile"]);
  });
});

test("a disk that is nearly full refuses new data until there is room", async () => {
  await withDirectory(async (directory) => {
    let freeBytes = 1;
    const disk: Disk = { ...realDisk, free: () => Promise.resolve(freeBytes) };
    let ms = 0;
    const clock = { now: () => ms, monotonic: () => ms, after: () => () => undefined };
    await using server = await open(directory, { disk, clock, freeBytesMin: 1000 });
    await assert.rejects(server.replica.append({ value: null }), {
      code: "RESOURCE_EXHAUSTED",
      notAppended: true,
    });
    assert.deepEqual(await server.replica.read(0, 10), []);
    freeBytes = 1e9;
    ms += 2_000;
    // The first one makes the log ask; the answer comes a moment later.
    let answer: AppendAnswer | undefined;
    for (let attempt = 0; attempt < 100 && answer === undefined; attempt++) {
      answer = await server.replica.append({ value: null }).catch(() => undefined);
    }
    assert.equal(answer?.baseOffset, 0, "writes resume by themselves");
  });
});

test("a failed sync ends all acknowledging", async () => {
  await withDirectory(async (directory) => {
    let broken = false;
    const disk: Disk = {
      ...realDisk,
      open: async (path, mode) => {
        const file = await realDisk.open(path, mode);
        const sync = file.sync.bind(file);
        file.sync = () => {
          const error = Object.assign(new Error("EIO"), { code: "EIO", syscall: "fdatasync" });
          return broken ? Promise.reject(error) : sync();
        };
        return file;
      },
    };
    await using server = await open(directory, { disk });
    await server.replica.append({ value: null });
    broken = true;
    await assert.rejects(server.replica.append({ value: null }), {
      code: "STORAGE_FAILED",
      notAppended: false,
    });
    broken = false;
    await assert.rejects(server.replica.append({ value: null }), {
      code: "STORAGE_FAILED",
      notAppended: true,
    });
    assert.equal(server.replica.highWatermark, 1);
    assert.equal((await server.replica.read(0, 10)).length, 1);
  });
});

test("records that were deleted stay deleted, and the retention stays set", async () => {
  await withDirectory(async (directory) => {
    const rule = { retentionBytes: 5_000, retentionMs: 0 };
    let lowest: number;
    {
      await using server = await open(directory);
      await fill(server);
      const { segmentCount } = server.log;
      await server.replica.deleteBefore(100);
      lowest = server.replica.lowestOffset;
      assert.equal(lowest, 100);
      await server.replica.setRetention(rule);
      await server.replica.append({ value: null });
      assert.ok(server.log.segmentCount < segmentCount, "segments went");
      await assert.rejects(server.replica.read(99, 10), { code: "OFFSET_OUT_OF_RANGE" });
    }
    await using server = await open(directory);
    assert.equal(server.replica.lowestOffset, lowest);
    const { retentionBytes, retentionMs } = server.log.control.logStart;
    assert.deepEqual({ retentionBytes, retentionMs }, rule);
    assert.equal((await readAll(server)).length, 161 - lowest);
  });
});
