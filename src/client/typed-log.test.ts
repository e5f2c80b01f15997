import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { encodeBatch, type ProglogError } from "../base/index.ts";
import {
  bytes,
  type Client,
  type Codec,
  connect,
  type InvalidRecord,
  json,
  type JsonValue,
  type Sent,
  text,
  TypedLog,
  type TypedRecord,
} from "./index.ts";
import { FakeLogServer } from "./testing/fake-log-server.ts";

const Order = z.object({
  id: z.string(),
  cents: z.int(),
  at: z.iso.datetime().pipe(z.coerce.date()),
});
const AT = "2026-01-31T12:00:00Z";

async function withServer(
  run: (server: FakeLogServer, client: Client) => Promise<void>,
): Promise<void> {
  await using server = await FakeLogServer.start();
  await using client = connect(server.address);
  await run(server, client);
}

const all = async <T>(stream: AsyncIterable<T>): Promise<T[]> => {
  const records: T[] = [];
  for await (const record of stream) records.push(record);
  return records;
};

/** A value, or what is wrong. */
const shown = <T>(record: TypedRecord<T>): unknown =>
  record.isValid ? record.value : record.error.message;

describe("a log of values", () => {
  test("is JSON when nothing else is said", () =>
    withServer(async (server, client) => {
      const log = client.typed();
      await log.produce({ a: [1, null, "ü"] }, { key: Buffer.from("k") });
      const record = await log.read(0);
      assert.deepEqual(shown(record), { a: [1, null, "ü"] });
      assert.deepEqual(Buffer.from(record.key ?? []).toString(), "k");
      assert.deepEqual(server.values, ['{"a":[1,null,"ü"]}']);
    }));

  test("is checked by a schema, before it is sent and after it was read", () =>
    withServer(async (server, client) => {
      const orders = client.typed(json(Order));
      await orders.produce({ id: "a", cents: 5, at: AT });
      assert.deepEqual(shown(await orders.read(0)), { id: "a", cents: 5, at: new Date(AT) });
      assert.deepEqual(server.values, [`{"id":"a","cents":5,"at":"${AT}"}`], "stored as given");
      const wrong = orders.produce({ id: "b", cents: 0.5, at: "now" });
      await assert.rejects(wrong, (error: ProglogError) => {
        assert.deepEqual([error.code, error.notAppended], ["INVALID_ARGUMENT", true]);
        assert.match(error.message, /^not sent: cents: .*; at: /);
        return true;
      });
      assert.equal(server.next, 1);
    }));

  test("is text, or bytes, or what a codec makes of it", () =>
    withServer(async (_, client) => {
      const numbers: Codec<number> = {
        encode: (value) => Buffer.from(value.toString(16)),
        decode: (value) => Promise.resolve(Number.parseInt(Buffer.from(value).toString(), 16)),
      };
      await client.typed(text).produce("ü");
      await client.typed(bytes).produce(Uint8Array.of(255, 0));
      await client.typed(numbers).produce(255);
      assert.equal(shown(await client.typed(text).read(0)), "ü");
      assert.deepEqual(shown(await client.typed(bytes).read(1)), Buffer.of(255, 0));
      assert.equal(shown(await client.typed(numbers).read(2)), 255);
    }));

  test("invalid records are passed by, and each is told of", () =>
    withServer(async (server, client) => {
      server.add(
        ...['{"id":"a","cents":1,"at":"', AT, '"}', "{}", `{"id":"b","cents":2,"at":"${AT}"}`],
      );
      server.add("[".repeat(100_000));
      server.addBatch(encodeBatch([{ value: null }, { value: Uint8Array.of(0xff) }], { nowMs: 1 }));
      server.add(`{"id":"c","cents":3,"at":"${AT}"}`);
      const orders = client.typed(json(Order));
      const records = await all(orders.records());
      assert.deepEqual(
        records.map(({ offset, isValid }) => [offset, isValid]),
        [0, 1, 2, 3, 4, 5, 6, 7, 8].map((offset) => [offset, offset === 4 || offset === 8]),
      );
      const told: InvalidRecord[] = [];
      const values = await all(orders.values({ onInvalid: (record) => void told.push(record) }));
      assert.deepEqual(
        values.map(({ value }) => value.id),
        ["b", "c"],
      );
      assert.equal(told.length, 7);
      const last = told[6] as InvalidRecord;
      assert.equal(last.error.details["offset"], "7");
      assert.deepEqual(Buffer.from(last.bytes ?? []), Buffer.of(0xff));
      const stopped = all(
        orders.values({
          onInvalid: ({ error }) => {
            throw error;
          },
        }),
      );
      await assert.rejects(stopped, { code: "INVALID_ARGUMENT" });
    }));

  test("a validator that throws, or rejects, judges one record and no more", () =>
    withServer(async (server, client) => {
      server.add("1", "2", "3");
      const picky = z.number().refine((value) => {
        if (value === 1) throw new Error("thrown");
        return value === 2 ? Promise.reject(new Error("rejected")) : true;
      });
      const schema = {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: async (value: unknown) => ({ value: await picky.parseAsync(value) }),
        },
      } as const;
      assert.deepEqual((await all(client.typed(json(schema)).records())).map(shown), [
        "thrown",
        "rejected",
        3,
      ]);
    }));

  test("a producer keeps the order however long a check takes, and survives what is refused", () =>
    withServer(async (server, client) => {
      const slow: Codec<number> = {
        encode: async (value) => {
          for (let i = value; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
          if (value === 7) throw new Error("not seven");
          return Buffer.from(String(value));
        },
        decode: Number,
      };
      await using producer = client.typed(slow).producer();
      const numbers = Array.from({ length: 50 }, (_, i) => i);
      const sents = await Promise.allSettled(numbers.map((value) => producer.send(value)));
      await producer.flush();
      assert.equal(sents.filter(({ status }) => status === "rejected").length, 1);
      assert.equal(sents[7]?.status, "rejected");
      assert.deepEqual(server.values, numbers.filter((value) => value !== 7).map(String));
    }));

  test("what JSON has no word for is refused", () =>
    withServer(async (server, client) => {
      const loop: Record<string, unknown> = {};
      loop["loop"] = loop;
      for (const value of [undefined, 1n, loop, () => 1]) {
        const wrong = client.typed().produce(value as unknown as JsonValue);
        await assert.rejects(wrong, { code: "INVALID_ARGUMENT", notAppended: true });
      }
      assert.equal(server.next, 0);
    }));
});

describe("types", () => {
  type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
  type Written<T> = T extends TypedLog<infer Input, unknown> ? Input : never;
  type Read<T> = T extends TypedLog<never, infer Output> ? Output : never;

  test("are those of the schema: what it takes is written, what it makes is read", () =>
    withServer((_, client) => {
      const orders = client.typed(json(Order));
      const plain = client.typed();
      const words = client.typed(text);
      type Sends = ReturnType<typeof words.producer>["send"];
      const facts: [
        Same<Written<typeof orders>["cents"], number>,
        Same<Written<typeof orders>["at"], string>,
        Same<Read<typeof orders>["at"], Date>,
        Same<typeof plain, TypedLog<JsonValue>>,
        Same<typeof words, TypedLog<string>>,
        Same<Parameters<Sends>[0], string>,
        Same<ReturnType<Sends>, Promise<Sent>>,
      ] = [true, true, true, true, true, true, true];
      assert.ok(facts.every(Boolean) && words instanceof TypedLog);

      const misuse = async (): Promise<unknown> => {
        // @ts-expect-error: a number is no order
        await orders.produce(5);
        // @ts-expect-error: a Date is what is read, not what is written
        await orders.produce({ id: "a", cents: 5, at: new Date() });
        // @ts-expect-error: JSON has no functions
        await plain.produce({ f: () => 1 });
        const record = await orders.read(0);
        // @ts-expect-error: nobody has looked whether it is valid
        const { value } = record;
        const either: Date | Uint8Array | null = record.isValid ? record.value.at : record.bytes;
        return [value, either];
      };
      assert.equal(typeof misuse, "function");
      return Promise.resolve();
    }));
});
