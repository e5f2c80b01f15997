import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { decodeConsumeRequest } from "../api/index.ts";
import { type ErrorCode, limits, ProglogError, type RecordInput } from "../base/index.ts";
import { type Client, connect, type ConnectOptions, type RecordsOptions } from "./index.ts";
import { FakeLogServer } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 5 };
const bytes = (text: string): Buffer => Buffer.from(text);
const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString();

async function withServer(
  run: (server: FakeLogServer, client: Client) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  await using server = await FakeLogServer.start();
  await using client = connect(server.address, { retry: FAST, ...options });
  await run(server, client);
}

function refused(code: ErrorCode, retryable?: boolean): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, code, error.message);
    if (retryable !== undefined) assert.equal(error.retryable, retryable);
    return true;
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test("what is produced can be read, with everything that belongs to it", () =>
  withServer(async (_, client) => {
    const record = {
      value: bytes("value"),
      key: bytes("key"),
      headers: [{ key: "hé", value: bytes("1") }],
      timestampMs: 12_345,
    };
    const answer = await client.produce(record);
    assert.deepEqual(answer, { offset: 0, term: 7, timestampMs: 12_345, duplicate: false });
    const read = await client.read(0);
    assert.deepEqual([read.offset, read.term, read.timestampMs], [0, 7, 12_345]);
    assert.deepEqual([text(read.value), text(read.key)], ["value", "key"]);
    assert.deepEqual(
      read.headers.map(({ key, value }) => [key, text(value)]),
      [["hé", "1"]],
    );
    const { lowest, next } = await client.offsets();
    assert.deepEqual([lowest, next], [0, 1]);
    assert.equal((await client.offsets({ timestampMs: 12_345 })).atTimestamp, 0);
    assert.equal((await client.offsets({ timestampMs: 12_346 })).atTimestamp, undefined);
    assert.equal((await client.servers()).clusterId, "c");
  }));

test("errors have codes, details, and say whether to try again", () =>
  withServer(async (server, client) => {
    server.add("0", "1");
    await assert.rejects(client.read(5), (error: ProglogError) => {
      assert.deepEqual({ ...error.details }, { offset: "5", lowest: "0", highest: "1", next: "2" });
      return refused("OFFSET_OUT_OF_RANGE", false)(error);
    });
    const elsewhere = client.produce({ value: null }, { expectedOffset: 7 });
    await assert.rejects(elsewhere, refused("OFFSET_MISMATCH", false));
    await client.produce({ value: null }, { expectedOffset: 2 });
    const large = { value: Buffer.alloc(limits.recordBytesMax + 1) };
    await assert.rejects(client.produce(large), refused("RECORD_TOO_LARGE", false));
    assert.equal(server.calls.get("Produce"), 2, "too large is known before anything is sent");
  }));

test("what cannot be asked for is refused before anything is sent, and said so", () =>
  withServer(async (server, client) => {
    const value = bytes("x");
    const told = (error: unknown): boolean => {
      assert.equal((error as ProglogError).notAppended, true, String(error));
      return refused("INVALID_ARGUMENT", false)(error);
    };
    const textual = { value: "a text" } as unknown as RecordInput;
    await assert.rejects(
      client.produce(textual),
      /is a Uint8Array or null, not string; new TextEnc/,
    );
    for (const bad of ["a text", [1], new Uint16Array(1), new ArrayBuffer(1), undefined, 1]) {
      const field = bad as unknown as Uint8Array;
      await assert.rejects(client.produce({ value: field }), told);
      await assert.rejects(client.produce({ value, headers: [{ key: "", value: field }] }), told);
      if (bad === undefined) continue;
      await assert.rejects(client.produce({ value, key: field }), told);
    }
    for (const offset of [-1, 1.5, NaN, 2 ** 53]) {
      await assert.rejects(client.produce({ value }, { expectedOffset: offset }), told);
      await assert.rejects(client.read(offset), refused("INVALID_ARGUMENT"));
      await assert.rejects(client.read(0, { minOffset: offset }), refused("INVALID_ARGUMENT"));
      for (const follow of [false, true]) {
        const records = client.records({ from: offset, follow });
        await assert.rejects(records.next(), refused("INVALID_ARGUMENT"));
      }
    }
    for (const options of [{ limit: -1 }, { limit: NaN }, { from: new Date("x") }]) {
      await assert.rejects(client.records(options).next(), refused("INVALID_ARGUMENT"));
    }
    const word = { from: "begin" as "start" };
    await assert.rejects(client.records(word).next(), /"from" is start, end, an offset or a Date/);
    const large = { value: Buffer.alloc(limits.recordBytesMax + 1) };
    await using producer = client.producer();
    for (const produce of [client.produce(large), producer.send(large)]) {
      await assert.rejects(produce, { code: "RECORD_TOO_LARGE", notAppended: true });
    }
    await assert.rejects(producer.send(textual), told);
    const abort = AbortSignal.abort();
    for (const sent of [
      client.produce({ value }, { signal: abort }),
      producer.send({ value }, { signal: abort }),
    ]) {
      await assert.rejects(sent, { code: "CANCELLED", notAppended: true });
    }
    assert.equal(server.calls.size, 0);
    await producer.close();
    await assert.rejects(producer.send({ value }), { code: "CLOSED", notAppended: true });
    await client.close();
    await assert.rejects(client.produce({ value }), { code: "CLOSED", notAppended: true });
  }));

test("reads are repeated, appends only when nothing was appended", () =>
  withServer(async (server, client) => {
    server.add("0");
    const failing = (times: number, notAppended: boolean): void => {
      server.calls.clear();
      server.onCall = () => {
        if (times-- > 0) throw new ProglogError("UNAVAILABLE", "not now", { notAppended });
      };
    };
    failing(2, false);
    assert.equal(text((await client.read(0)).value), "0");
    failing(3, false);
    await assert.rejects(client.read(0), refused("UNAVAILABLE", true));
    assert.equal(server.calls.get("Consume"), 3, "attempts have a limit");
    failing(2, true);
    assert.equal((await client.produce({ value: null })).offset, 1);
    failing(1, false);
    await assert.rejects(client.produce({ value: null }), refused("UNAVAILABLE", true));
    assert.equal(server.calls.get("Produce"), 1);
  }));

test("a client reads what it wrote, whichever server it asks", () =>
  withServer(async (server, client) => {
    const asked: unknown[] = [];
    server.onCall = (name, request) => {
      if (name === "Consume") asked.push(decodeConsumeRequest(request));
    };
    server.add("0", "1");
    await client.read(0);
    await client.produce({ value: bytes("2") });
    await client.read(0);
    await using producer = client.producer();
    await (
      await producer.send({ value: bytes("3") })
    ).ack;
    await client.read(0, { consistency: "linearizable" });
    await client.read(0, { minOffset: 1 });
    assert.deepEqual(
      asked.map((request) => {
        const { minOffset, linearizable } = request as ReturnType<typeof decodeConsumeRequest>;
        return [minOffset, linearizable];
      }),
      [
        [undefined, false],
        [2, false],
        [3, true],
        [1, false],
      ],
    );
  }));

test("where the log ends is not said by a server that is behind", () =>
  withServer(async (server, client) => {
    server.add("0", "1", "2");
    const read = async (options: RecordsOptions): Promise<string> => {
      let all = "";
      for await (const { value } of client.records(options)) all += text(value);
      return all;
    };
    // As a follower tells it that has not heard of the last records.
    server.nextTold = 1;
    assert.equal(await read({}), "0");
    assert.equal(await read({ minOffset: 1 }), "01");
    assert.equal(await read({ from: 2 }), "2", "appended by somebody else");
    assert.equal(await read({ consistency: "linearizable" }), "012");
    assert.equal(await read({ from: 3 }), "", "the end");
    await assert.rejects(read({ from: 4 }), (error: ProglogError) => {
      assert.deepEqual({ ...error.details }, { offset: "4", lowest: "0", highest: "2", next: "3" });
      return refused("OFFSET_OUT_OF_RANGE", false)(error);
    });
  }));

test("a call ends by its signal or its time", () =>
  withServer(
    async (server, client) => {
      server.add("0");
      const abort = new AbortController();
      server.onCall = () => {
        abort.abort();
        throw new ProglogError("UNAVAILABLE", "not now");
      };
      await assert.rejects(client.read(0, { signal: abort.signal }), refused("CANCELLED", false));
      await assert.rejects(client.read(0, { signal: abort.signal }), refused("CANCELLED"));
      assert.equal(server.calls.get("Consume"), 1);
      const late = AbortSignal.timeout(1);
      await new Promise((resolve) => late.addEventListener("abort", resolve));
      await assert.rejects(client.read(0, { signal: late }), refused("DEADLINE_EXCEEDED"));
    },
    { retry: { attemptsMax: 9, delayMsMin: 60_000, delayMsMax: 60_000 } },
  ));

test("a server that does not answer in time is not waited for", async () => {
  await using server = await FakeLogServer.start();
  server.kill();
  await server.restart();
  await using client = connect(server.address, { timeoutMs: 0, retry: FAST });
  await assert.rejects(client.read(0), refused("DEADLINE_EXCEEDED", true));
});

test("a server that is not there is unavailable", async () => {
  const server = await FakeLogServer.start();
  server.kill();
  await using client = connect(server.address, { retry: FAST });
  await assert.rejects(client.read(0), refused("UNAVAILABLE", true));
});

test("closing leaves nothing open", async () => {
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
  const before = sockets();
  const server = await FakeLogServer.start();
  const client = connect(server.address, { retry: FAST });
  server.add("0");
  const producer = client.producer();
  await (
    await producer.send({ value: null })
  ).ack;
  const following = client.records({ from: "start", follow: true });
  await following.next();
  const pending = (async () => {
    for await (const record of following) if (record.offset > 1) return record;
    return undefined;
  })();
  assert.equal(server.open, 2);
  await producer.close();
  await client.close();
  await assert.rejects(pending, refused("CLOSED", false));
  await assert.rejects(client.read(0), refused("CLOSED", false));
  await assert.rejects(client.records().next(), refused("CLOSED"));
  await client.close();
  await until(() => server.open === 0);
  server.kill();
  await until(() => sockets() <= before);
});

test("the example at the front door runs", () =>
  withServer(async (server) => {
    const chapter = await readFile(new URL("./index.ts", import.meta.url), "utf8");
    const [, example] = /```ts\n([^]*?)```/.exec(chapter) ?? [];
    assert.ok(example !== undefined);
    const program = example
      .replaceAll(/^ \* ?/gm, "")
      .replace('"proglog"', JSON.stringify(new URL("./index.ts", import.meta.url).href))
      .replace("127.0.0.1:8400", server.address)
      .replace("console.log(", "globalThis.printed.push(");
    const directory = await mkdtemp(join(tmpdir(), "proglog-example-"));
    const printed: unknown[] = [];
    Object.assign(globalThis, { printed });
    try {
      const file = join(directory, "example.mts");
      await writeFile(file, program);
      await import(pathToFileURL(file).href);
    } finally {
      Reflect.deleteProperty(globalThis, "printed");
      await rm(directory, { recursive: true });
    }
    assert.deepEqual(printed, [0, "Let's Go #1", 1, "Let's Go #2"]);
  }));
