import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LOG_METHODS } from "../api/index.ts";
import { RequestMeter } from "./request-meter.ts";

/** As they go over the wire. */
function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

test("of a call that is fed, only the message that is not complete is held, however it is cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 12 })), (all, sizes) => {
      const meter = new RequestMeter(LOG_METHODS.ProduceStream.path);
      const bytes = Buffer.concat(all.map(framed));
      const ends = new Map<number, number>();
      let end = 0;
      for (const message of all) {
        for (let at = 1; at <= 5; at++) ends.set(end + at, 0);
        for (let at = 0; at < message.length; at++) ends.set(end + 5 + at, at);
        end += 5 + message.length;
        ends.set(end, 0);
      }
      let told = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes.next().value as number;
        told += meter.take(bytes.subarray(at, at + size));
        at = Math.min(bytes.length, at + size);
        assert.equal(meter.held, ends.get(at));
        assert.equal(told, meter.held);
      }
    }),
  );
});

test("of any other call everything is held while it lasts", () => {
  for (const path of [LOG_METHODS.ConsumeStream.path, "/grpc.health.v1.Health/Check", ""]) {
    const meter = new RequestMeter(path);
    assert.equal(meter.take(framed(Buffer.alloc(10))), 15);
    assert.equal(meter.take(Buffer.alloc(7)), 7);
    assert.equal(meter.held, 22);
  }
});
