import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  BATCH_OVERHEAD_BYTES,
  crc32c,
  encodeBatch,
  type ErrorCode,
  ProglogError,
} from "../base/index.ts";
import { type Client, connect, type RecordsOptions } from "./index.ts";
import { FakeLogServer } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 5 };
const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString();

async function withServer(
  run: (server: FakeLogServer, client: Client) => Promise<void>,
): Promise<void> {
  await using server = await FakeLogServer.start();
  await using client = connect(server.address, { retry: FAST });
  await run(server, client);
}

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Values of the records, which must have the offsets that go with them. */
async function read(client: Client, options: RecordsOptions): Promise<string[]> {
  const values: string[] = [];
  let next: number | undefined;
  for await (const record of client.records(options)) {
    assert.equal(record.offset, next ?? record.offset);
    next = record.offset + 1;
    values.push(text(record.value));
  }
  return values;
}

test("the log is read from wherever, to its end or for so many records", () =>
  withServer(async (server, client) => {
    assert.deepEqual(await read(client, {}), []);
    server.add("0", "1", "2");
    server.add("3");
    server.add("4", "5");
    const ranges: [RecordsOptions, string[]][] = [
      [{}, ["0", "1", "2", "3", "4", "5"]],
      [{ from: "end" }, []],
      [{ from: 4 }, ["4", "5"]],
      [{ from: 6 }, []],
      [{ from: 1, limit: 3 }, ["1", "2", "3"]],
      [{ from: 1, limit: 0 }, []],
      [{ from: 1, limit: 1 }, ["1"]],
      [{ from: 1, limit: 3, follow: true }, ["1", "2", "3"]],
      [{ from: "start", limit: 4, follow: true }, ["0", "1", "2", "3"]],
      // Batches are stamped 1000 ms after 1970 plus their offset.
      [{ from: new Date(1002) }, ["3", "4", "5"]],
      [{ from: new Date(5000) }, []],
    ];
    for (const [options, values] of ranges) {
      assert.deepEqual(await read(client, options), values, JSON.stringify(options));
    }
    await assert.rejects(read(client, { from: 7 }), refused("OFFSET_OUT_OF_RANGE"));
    await assert.rejects(read(client, { from: 7, follow: true }), refused("OFFSET_OUT_OF_RANGE"));
  }));

test("a follower gets what comes later, and leaves when it has enough", () =>
  withServer(async (server, client) => {
    server.add("0");
    const seen: string[] = [];
    for await (const { value, term, timestampMs } of client.records({ follow: true })) {
      assert.deepEqual([term, timestampMs], [7, 1000 + seen.length]);
      seen.push(text(value));
      if (seen.length === 4) break;
      server.add(String(seen.length));
    }
    assert.deepEqual(seen, ["0", "1", "2", "3"]);
    while (server.open > 0) await new Promise((resolve) => setImmediate(resolve));
  }));

test("after a break it goes on where it was, each record once", () =>
  withServer(async (server, client) => {
    const values = Array.from({ length: 60 }, (_, i) => String(i));
    for (let at = 0; at < 60; at += 3) server.add(...values.slice(at, at + 3));
    let messages = 0;
    server.onMessage = () => {
      messages += 1;
      if (messages % 4 === 0) throw new ProglogError("UNAVAILABLE", "gone");
    };
    assert.deepEqual(await read(client, { from: 1 }), values.slice(1));
    assert.ok((server.calls.get("ConsumeBatches") ?? 0) > 4);
    server.onMessage = () => {
      throw new ProglogError("UNAVAILABLE", "always gone");
    };
    server.calls.clear();
    await assert.rejects(read(client, {}), refused("UNAVAILABLE"));
    assert.equal(server.calls.get("ConsumeBatches"), FAST.attemptsMax);
  }));

test("a server that is killed and comes back is followed on", () =>
  withServer(async (server, client) => {
    server.add("0");
    const stream = client.records({ follow: true });
    const first = await stream.next();
    assert.equal(first.value?.offset, 0);
    const second = stream.next();
    server.kill();
    await server.restart();
    server.add("1");
    assert.equal((await second).value?.offset, 1);
    await stream.return();
  }));

test("an error that repeating cannot mend ends the stream", () =>
  withServer(async (server, client) => {
    server.add("0");
    server.onMessage = () => {
      throw new ProglogError("DATA_LOSS", "a bad disk", { details: { offset: "0" } });
    };
    const stream = client.records();
    await assert.rejects(stream.next(), refused("DATA_LOSS"));
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
  }));

test("a signal ends the waiting, and what is here already is not handed out any more", () =>
  withServer(async (server, client) => {
    server.add("0", "1");
    const abort = new AbortController();
    const waiting = client.records({ from: "end", follow: true, signal: abort.signal }).next();
    const buffered = client.records({ signal: abort.signal });
    await buffered.next();
    abort.abort();
    await assert.rejects(waiting, refused("CANCELLED"));
    await assert.rejects(buffered.next(), refused("CANCELLED"));
    await assert.rejects(client.records({ signal: abort.signal }).next(), refused("CANCELLED"));
  }));

test("return ends a call of next that waits at the tail", () =>
  withServer(async (server, client) => {
    server.add("0");
    await using stream = client.records({ follow: true });
    await stream.next();
    const waiting = stream.next();
    await stream.return();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    while (server.open > 0) await new Promise((resolve) => setImmediate(resolve));
  }));

test("calls of next that do not wait for each other are answered in order", () =>
  withServer(async (server, client) => {
    server.add("0", "1");
    server.add("2");
    const stream = client.records();
    const all = await Promise.all(Array.from({ length: 5 }, () => stream.next()));
    assert.deepEqual(
      all.map(({ value }) => value?.offset),
      [0, 1, 2, undefined, undefined],
    );
    const other = client.records();
    const [first, second] = [other.next(), other.next()];
    await first;
    const third = other.next();
    assert.equal((await second).value?.offset, 1, "who came first is served first");
    assert.equal((await third).value?.offset, 2);
    await other.return();
  }));

test("batches come as the server has them", () =>
  withServer(async (server, client) => {
    server.add("0", "1", "2");
    server.add("3", "4");
    server.add("5");
    const got: Buffer[] = [];
    for await (const batches of client.batches({ from: 1, limit: 3 })) {
      got.push(...batches.map((batch) => Buffer.from(batch)));
    }
    assert.deepEqual(
      got,
      server.batches.slice(0, 2).map((batch) => Buffer.from(batch)),
    );
  }));

test("a compressed batch is inflated, a damaged one is refused", () =>
  withServer(async (server, client) => {
    const plain = encodeBatch([{ value: Buffer.from("a") }, { value: null }], { nowMs: 5 });
    const block = gzipSync(plain.subarray(BATCH_OVERHEAD_BYTES));
    const batch = Buffer.concat([plain.subarray(0, BATCH_OVERHEAD_BYTES), block]);
    batch.writeInt32BE(batch.length - 12, 8);
    batch.writeInt16BE(1, 21);
    batch.writeUInt32BE(crc32c(batch, 21), 17);
    server.addBatch(batch);
    assert.deepEqual(await read(client, {}), ["a", ""]);
    const damaged = Buffer.from(plain);
    damaged[damaged.indexOf("a", BATCH_OVERHEAD_BYTES)] = 0x62;
    server.addBatch(damaged);
    const stream = client.records({ from: 1 });
    assert.equal((await stream.next()).value?.value, null);
    await assert.rejects(stream.next(), refused("CORRUPT_BATCH"));
    assert.deepEqual(await stream.next(), { done: true, value: undefined });
  }));

test("a server that leaves records out is not believed", () =>
  withServer(async (server, client) => {
    server.add("0");
    server.add("1");
    server.add("2");
    server.batches.splice(1, 1);
    await assert.rejects(read(client, {}), refused("INTERNAL"));
  }));
