/** The client against the real services and the real replica, with connections that keep breaking. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogServer } from "../../test/support/log-server.ts";
import { seededRandom } from "../base/index.ts";
import { startFixture } from "../replica/testing/harness.ts";
import { connect, type Sent } from "./index.ts";

const COUNT = 20_000;

test("every record is in the log once, in order, however often connections break", async () => {
  const { replica } = await startFixture();
  await using server = await LogServer.start(replica);
  const retry = { attemptsMax: 50, delayMsMin: 1, delayMsMax: 10 };
  await using client = connect(`127.0.0.1:${server.port}`, { retry });
  await using reader = connect(`127.0.0.1:${server.port}`, { retry });
  const random = seededRandom(11);
  let cuts = 0;
  const cutAll = (): void => {
    cuts += server.sockets.size;
    for (const socket of server.sockets) socket.destroy();
  };

  const seen: number[] = [];
  const following = (async () => {
    for await (const { offset, value } of reader.records({ follow: true, limit: COUNT })) {
      assert.equal(offset, seen.length);
      seen.push(Number(Buffer.from(value ?? []).toString()));
    }
  })();

  await using producer = client.producer({ batchBytesMax: 2000 });
  const sent: Sent[] = [];
  for (let i = 0; i < COUNT; i++) {
    sent.push(await producer.send({ value: Buffer.from(String(i)) }));
    if (random.u32() % 1000 === 0) cutAll();
  }
  await producer.flush();
  const acks = await Promise.all(sent.map(({ ack }) => ack));
  await following;

  const numbers = Array.from({ length: COUNT }, (_, i) => i);
  assert.deepEqual(
    acks.map(({ offset }) => offset),
    numbers,
  );
  assert.deepEqual(seen, numbers);
  assert.equal(replica.highWatermark, COUNT);
  assert.ok(cuts > 10, `${cuts} connections were cut`);
  await replica.close();
});

test("once a producer is identified, an earlier holder of its name appends nothing more", async () => {
  const { replica } = await startFixture();
  await using server = await LogServer.start(replica);
  await using client = connect(`127.0.0.1:${server.port}`);
  const first = client.producer({ name: "mirror" });
  await (
    await first.send({ value: Buffer.from("one") })
  ).ack;
  await using second = client.producer({ name: "mirror" });
  await second.identify();
  const { next } = await client.offsets();
  const late = await first.send({ value: Buffer.from("late") });
  await assert.rejects(late.ack, { code: "PRODUCER_FENCED" });
  assert.equal((await (await second.send({ value: Buffer.from("two") })).ack).offset, next);
  await assert.rejects(first.close(), { code: "PRODUCER_FENCED" });
  assert.equal(replica.highWatermark, 2);
  await second.close();
  await replica.close();
});
