import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ErrorCode, limits, ProglogError, seededRandom } from "../base/index.ts";
import { type Client, connect, type ConnectOptions, type Producer, type Sent } from "./index.ts";
import { FakeLogServer, type IncomingBatch } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 5, delayMsMin: 1, delayMsMax: 10 };
const bytes = (text: string): Buffer => Buffer.from(text);
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

/** A server and a client, both ended after the test, and nothing left open between them. */
async function withServer(
  run: (server: FakeLogServer, client: Client) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  await using server = await FakeLogServer.start();
  await using client = connect(server.address, { retry: FAST, ...options });
  await run(server, client);
}

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Keeps the batches of a server until they are let go. */
function hold(server: FakeLogServer): {
  batches: IncomingBatch[];
  arrived: (count: number) => Promise<void>;
} {
  const batches: IncomingBatch[] = [];
  let check = (): void => undefined;
  server.onBatch = (batch) => {
    batches.push(batch);
    check();
  };
  const arrived = (count: number): Promise<void> =>
    new Promise((resolve) => {
      check = () => {
        if (batches.length >= count) resolve();
      };
      check();
    });
  return { batches, arrived };
}

function letGo(batches: readonly IncomingBatch[]): void {
  for (const batch of batches) {
    batch.append();
    batch.answer();
  }
}

test("records come out in the order they went in, and each ack tells its offset", () =>
  withServer(async (server, client) => {
    server.add("before");
    const values = numbers(5000);
    await using producer = client.producer({ batchBytesMax: 4096 });
    const sent: Sent[] = [];
    for (const value of values) sent.push(await producer.send({ value: bytes(value) }));
    const acks = await Promise.all(sent.map(({ ack }) => ack));
    assert.deepEqual(server.values, ["before", ...values]);
    assert.deepEqual(
      acks,
      values.map((_, i) => ({ offset: i + 1, term: 7, duplicate: false })),
    );
    assert.ok(server.batches.length < 50, "records are packed");
    assert.equal(server.calls.get("ProduceBatches"), 1);
  }));

test("what is sent in one turn travels in one batch, stamped with its place", () =>
  withServer(async (server, client) => {
    const headers: IncomingBatch["header"][] = [];
    server.onBatch = (batch) => {
      headers.push(batch.header);
      letGo([batch]);
    };
    await using producer = client.producer();
    const turn = numbers(10).map((value) => producer.send({ value: bytes(value) }));
    await Promise.all(turn);
    await producer.flush();
    await producer.send({ value: null, key: bytes("k"), headers: [{ key: "h", value: null }] });
    await producer.flush();
    assert.deepEqual(
      headers.map(({ recordCount, producerId, producerEpoch, baseSequence }) => {
        return [recordCount, producerId, producerEpoch, baseSequence];
      }),
      [
        [10, 2 ** 40, 3, 0],
        [1, 2 ** 40, 3, 10],
      ],
    );
  }));

test("a batch waits for more records as long as it is told to", () =>
  withServer(async (server, client) => {
    const { batches, arrived } = hold(server);
    await using producer = client.producer({ lingerMs: 60_000 });
    await producer.send({ value: bytes("0") });
    await new Promise((resolve) => setImmediate(resolve));
    await producer.send({ value: bytes("1") });
    const flushed = producer.flush();
    await arrived(1);
    assert.equal(batches[0]?.header.recordCount, 2);
    letGo(batches);
    await flushed;
  }));

test("at most five batches are under way, and a full buffer holds the sender back", () =>
  withServer(async (server, client) => {
    const { batches, arrived } = hold(server);
    const producer = client.producer({ batchBytesMax: 300, bufferBytesMax: 3000 });
    let accepted = 0;
    const sending = (async () => {
      for (const value of numbers(100)) {
        await producer.send({ value: Buffer.alloc(100, value) });
        accepted += 1;
      }
    })();
    await arrived(limits.producerBatchesMax);
    await new Promise((resolve) => setImmediate(resolve));
    const acceptedBefore = accepted;
    assert.ok(acceptedBefore > 10 && acceptedBefore < 30, `${acceptedBefore} of 3000 bytes`);
    assert.equal(batches.length, limits.producerBatchesMax, "the sixth waits for an answer");
    letGo(batches.splice(0, 1));
    await arrived(limits.producerBatchesMax);
    server.onBatch = (batch) => letGo([batch]);
    letGo(batches);
    await sending;
    await producer.close();
    assert.equal(server.next, 100);
  }));

test("who waits for room can give up, and too many may not wait", () =>
  withServer(async (server, client) => {
    const { batches, arrived } = hold(server);
    const producer = client.producer({ bufferBytesMax: 200 });
    await producer.send({ value: Buffer.alloc(120) });
    await arrived(1);
    const abort = new AbortController();
    const given = producer.send({ value: bytes("given up") }, { signal: abort.signal });
    const kept = producer.send({ value: bytes("kept") });
    assert.equal(producer.trySend({ value: bytes("no room") }), undefined);
    abort.abort();
    await assert.rejects(given, refused("CANCELLED"));
    await assert.rejects(
      producer.send({ value: bytes("too late") }, { signal: abort.signal }),
      refused("CANCELLED"),
    );
    await assert.rejects(
      producer.send({ value: Buffer.alloc(limits.recordBytesMax + 1) }),
      refused("RECORD_TOO_LARGE"),
    );
    const crowd = Array.from({ length: limits.producerWaitingMax - 1 }, () =>
      producer.send({ value: bytes("crowd") }),
    );
    await assert.rejects(
      producer.send({ value: bytes("one too many") }),
      refused("RESOURCE_EXHAUSTED"),
    );
    server.onBatch = (batch) => letGo([batch]);
    letGo(batches);
    await kept;
    await Promise.all(crowd);
    await producer.close();
    assert.equal(server.next, 1 + limits.producerWaitingMax);
    assert.equal(server.values[1], "kept");
  }));

test("after a break the same batches are sent again, and nothing is appended twice", () =>
  withServer(async (server, client) => {
    const random = seededRandom(7);
    // Each batch meets its fate before, between or after being appended and being answered.
    server.onBatch = (batch) => {
      const fate = random.u32() % 8;
      if (fate === 0) {
        batch.fail(new ProglogError("UNAVAILABLE", "gone before"));
        server.onBatch = skipStream(batch.stream, server.onBatch);
        return;
      }
      batch.append();
      if (fate === 1) {
        batch.fail(new ProglogError("UNAVAILABLE", "gone after"));
        server.onBatch = skipStream(batch.stream, server.onBatch);
        return;
      }
      batch.answer();
    };
    const values = numbers(3000);
    await using producer = client.producer({ batchBytesMax: 500 });
    const sent: Sent[] = [];
    for (const value of values) sent.push(await producer.send({ value: bytes(value) }));
    const acks = await Promise.all(sent.map(({ ack }) => ack));
    assert.deepEqual(server.values, values);
    assert.deepEqual(
      acks.map(({ offset }) => offset),
      values.map(Number),
    );
    assert.ok(
      acks.some(({ duplicate }) => duplicate),
      "some were appended by an earlier attempt",
    );
    assert.ok((server.calls.get("ProduceBatches") ?? 0) > 5);
  }));

/** What still comes in on a broken stream is not looked at. */
function skipStream(
  stream: number,
  then: (batch: IncomingBatch) => void,
): (batch: IncomingBatch) => void {
  return (batch) => {
    if (batch.stream !== stream) then(batch);
  };
}

test("a server that is killed and comes back loses nothing", () =>
  withServer(async (server, client) => {
    const { batches, arrived } = hold(server);
    const producer = client.producer({ batchBytesMax: 200 });
    const values = numbers(20);
    for (const value of values) await producer.send({ value: Buffer.alloc(50, value) });
    await arrived(2);
    batches[0]?.append();
    server.kill();
    server.onBatch = (batch) => letGo([batch]);
    await server.restart();
    await producer.close();
    assert.equal(server.next, 20);
    assert.deepEqual(
      server.values,
      values.map((value) => Buffer.alloc(50, value).toString()),
    );
  }));

test("a server that takes batches and never answers is left for another stream", () =>
  withServer(
    async (server, client) => {
      server.onBatch = (batch) => {
        batch.append();
        if (batch.stream > 1) batch.answer();
      };
      await using producer = client.producer();
      const { ack } = await producer.send({ value: bytes("once") });
      assert.deepEqual(await ack, { offset: 0, term: 7, duplicate: true });
      assert.deepEqual(server.values, ["once"]);
    },
    { timeoutMs: 100 },
  ));

test("without idempotence an unknown outcome fails, and a known one is repeated", () =>
  withServer(async (server, client) => {
    server.onBatch = (batch) => {
      batch.append();
      batch.fail(new ProglogError("UNAVAILABLE", "gone after"));
    };
    const producer = client.producer({ idempotent: false });
    const lost = await producer.send({ value: bytes("lost or not") });
    await assert.rejects(lost.ack, refused("UNAVAILABLE"));
    server.onBatch = (batch) => {
      const refusal = new ProglogError("UNAVAILABLE", "not now", { notAppended: true });
      if (batch.stream < 4) batch.fail(refusal);
      else letGo([batch]);
    };
    const later = await producer.send({ value: bytes("later") });
    assert.equal((await later.ack).offset, 1);
    assert.equal(server.calls.get("ProduceBatches"), 4);
    assert.equal(server.calls.get("CreateProducer"), undefined);
    await assert.rejects(producer.flush(), refused("UNAVAILABLE"));
    await producer.flush();
    await producer.close();
    assert.deepEqual(server.values, ["lost or not", "later"]);
  }));

test("what cannot be mended ends the producer, and says so once to who leaves acks alone", () =>
  withServer(async (server, client) => {
    server.onBatch = (batch) =>
      batch.fail(new ProglogError("PRODUCER_FENCED", "a newer one is here"));
    const producer = client.producer();
    const sent = await producer.send({ value: bytes("x") });
    void sent.ack;
    await assert.rejects(producer.flush(), refused("PRODUCER_FENCED"));
    await assert.rejects(sent.ack, refused("PRODUCER_FENCED"));
    await assert.rejects(producer.send({ value: null }), refused("PRODUCER_FENCED"));
    assert.throws(() => producer.trySend({ value: null }), refused("PRODUCER_FENCED"));
    await producer.close();
  }));

test("an answer to another question ends the producer", () =>
  withServer(async (server, client) => {
    server.onBatch = (batch) => {
      letGo([batch]);
      batch.answer();
    };
    const producer = client.producer();
    await (
      await producer.send({ value: null })
    ).ack;
    await assert.rejects(async () => {
      for (;;) await (await producer.send({ value: null })).ack;
    }, refused("INTERNAL"));
    await assert.rejects(producer.close(), refused("INTERNAL"));
  }));

test("a producer that reaches nobody gives up after its time", async () => {
  const server = await FakeLogServer.start();
  server.kill();
  await using client = connect(server.address, { retry: FAST });
  const producer = client.producer({ deliveryTimeoutMs: 30, bufferBytesMax: 200 });
  const sent = await producer.send({ value: Buffer.alloc(120) });
  const waiting = producer.send({ value: Buffer.alloc(120) });
  await assert.rejects(sent.ack, refused("UNAVAILABLE"));
  await assert.rejects(waiting, refused("UNAVAILABLE"));
  await assert.rejects(producer.close(), refused("UNAVAILABLE"));
});

test("a producer is identified before it sends anything, when that is asked for", () =>
  withServer(async (server, client) => {
    await using producer = client.producer();
    await producer.identify();
    await producer.identify();
    assert.equal(server.calls.get("CreateProducer"), 1);
    await (
      await producer.send({ value: null })
    ).ack;
    assert.equal(server.calls.get("CreateProducer"), 1);
    const closed = client.producer();
    await closed.close();
    await assert.rejects(closed.identify(), refused("CLOSED"));
  }));

test("who waits for an identity that nobody gives is told after the producer's time", async () => {
  const server = await FakeLogServer.start();
  server.kill();
  await using client = connect(server.address, { retry: FAST });
  const producer = client.producer({ deliveryTimeoutMs: 30 });
  await assert.rejects(producer.identify(), refused("UNAVAILABLE"));
  await assert.rejects(producer.identify(), refused("UNAVAILABLE"));
  await assert.rejects(producer.close(), refused("UNAVAILABLE"));
});

test("close sends what waits, refuses what comes later, and can be cut short", () =>
  withServer(async (server, client) => {
    const first = client.producer({ bufferBytesMax: 200 });
    const sends = numbers(10).map((value) => first.send({ value: Buffer.alloc(100, value) }));
    const closing = first.close();
    await assert.rejects(first.send({ value: null }), refused("CLOSED"));
    await Promise.all(sends);
    await closing;
    assert.equal(server.next, 10);

    const { arrived } = hold(server);
    const second = client.producer();
    const sent = await second.send({ value: null });
    await arrived(1);
    await assert.rejects(second.close({ signal: AbortSignal.abort() }), refused("CANCELLED"));
    await assert.rejects(sent.ack, refused("CANCELLED"));
  }));

test("closing the client ends its producers", () =>
  withServer(async (server, client) => {
    const { arrived } = hold(server);
    const producer = client.producer();
    const sent = await producer.send({ value: null });
    await arrived(1);
    await client.close();
    await assert.rejects(sent.ack, refused("CLOSED"));
    await assert.rejects(producer.send({ value: null }), refused("CLOSED"));
    await assert.rejects(producer.close(), refused("CLOSED"));
  }));

test("sizes that make no sense are refused", () =>
  withServer((_, client) => {
    assert.throws(() => client.producer({ batchBytesMax: 0 }), refused("INVALID_ARGUMENT"));
    assert.throws(() => client.producer({ bufferBytesMax: -1 }), refused("INVALID_ARGUMENT"));
    const batchBytesMax = limits.batchBytesMax + 1;
    assert.throws(() => client.producer({ batchBytesMax }), refused("INVALID_ARGUMENT"));
    return Promise.resolve();
  }));

describe("what a failure says of each record", () => {
  const outcomes = async (sents: readonly Sent[]): Promise<(boolean | "acknowledged")[]> => {
    const settled = await Promise.allSettled(sents.map(({ ack }) => ack));
    return settled.map((one) =>
      one.status === "fulfilled" ? "acknowledged" : (one.reason as ProglogError).notAppended,
    );
  };

  /** One batch for each. */
  async function sendEach(producer: Producer, count: number): Promise<Sent[]> {
    const sents: Sent[] = [];
    for (let i = 0; i < count; i++) {
      sents.push(await producer.send({ value: Buffer.alloc(200) }));
    }
    return sents;
  }

  test("what was refused, and what was never sent, is in no log; what was answered is", () =>
    withServer(async (server, client) => {
      const { batches, arrived } = hold(server);
      const producer = client.producer({ batchBytesMax: 250 });
      const sents = await sendEach(producer, 8);
      await arrived(5);
      letGo(batches.slice(0, 1));
      await sents[0]?.ack;
      batches[1]?.fail(new ProglogError("PRODUCER_FENCED", "a newer one", { notAppended: true }));
      assert.deepEqual(await outcomes(sents), ["acknowledged", ...Array<boolean>(7).fill(true)]);
      const told = { code: "PRODUCER_FENCED", notAppended: true };
      await assert.rejects(producer.send({ value: null }), told);
      await assert.rejects(producer.close(), told);
    }));

  test("what was on a wire that broke is unknown, whatever a later server says", () =>
    withServer(async (server, client) => {
      const { batches, arrived } = hold(server);
      const producer = client.producer({ batchBytesMax: 250 });
      const sents = await sendEach(producer, 8);
      await arrived(5);
      server.onBatch = (batch) => {
        batch.fail(new ProglogError("PRODUCER_FENCED", "a newer one", { notAppended: true }));
      };
      batches[0]?.append();
      batches[0]?.fail(new ProglogError("UNAVAILABLE", "gone"));
      assert.deepEqual(await outcomes(sents), [
        false,
        false,
        false,
        false,
        false,
        true,
        true,
        true,
      ]);
      await assert.rejects(producer.close(), { code: "PRODUCER_FENCED", notAppended: false });
      await assert.rejects(producer.send({ value: null }), { notAppended: true });
    }));

  test("a stream that no server could be found for sent nothing", async () => {
    const server = await FakeLogServer.start();
    server.kill();
    await using client = connect(server.address, { retry: FAST });
    const producer = client.producer({ idempotent: false, deliveryTimeoutMs: 50 });
    const sents = await sendEach(producer, 2);
    assert.deepEqual(await outcomes(sents), [true, true]);
    await assert.rejects(producer.close(), { code: "UNAVAILABLE", notAppended: true });
  });

  test("who ends the waiting for a server that never commits does not know", () =>
    withServer(async (server, client) => {
      const { arrived } = hold(server);
      const producer = client.producer({ batchBytesMax: 250 });
      const sents = await sendEach(producer, 7);
      await arrived(5);
      await assert.rejects(producer.close({ signal: AbortSignal.abort() }), refused("CANCELLED"));
      assert.deepEqual(await outcomes(sents), [false, false, false, false, false, true, true]);
    }));
});
