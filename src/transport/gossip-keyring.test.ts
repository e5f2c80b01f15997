import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Keyring, SEAL_BYTES } from "./gossip-keyring.ts";

const one = Buffer.alloc(16, 1);
const two = Buffer.alloc(24, 2);
const three = Buffer.alloc(32, 3);

describe("a keyring", () => {
  test("seals with its first key and opens with any", () => {
    const ring = new Keyring([one, two, three]);
    const sealed = ring.seal(Buffer.from("secret"), Buffer.from("head"));
    assert.equal(sealed.length, 6 + SEAL_BYTES);
    for (const keys of [[one], [three, two, one]]) {
      const opened = new Keyring(keys).open(sealed, Buffer.from("head"));
      assert.equal(Buffer.from(opened ?? []).toString(), "secret");
    }
    assert.equal(new Keyring([two, three]).open(sealed, Buffer.from("head")), undefined);
    assert.equal(ring.open(sealed, Buffer.from("other")), undefined);
  });

  test("a key is changed without an interruption: install, use, remove", () => {
    const ring = new Keyring([one]);
    const before = ring.seal(Buffer.from("before"));
    ring.install(two);
    ring.install(two);
    assert.deepEqual(ring.list(), [one.toString("base64"), two.toString("base64")]);
    assert.throws(() => ring.remove(one), { code: "INVALID_ARGUMENT" });
    ring.use(two);
    assert.ok(ring.open(before));
    ring.remove(one);
    ring.remove(one);
    assert.equal(ring.open(before), undefined);
    assert.deepEqual(ring.list(), [two.toString("base64")]);
    assert.throws(() => ring.use(three), { code: "INVALID_ARGUMENT" });
    assert.throws(() => ring.install(Buffer.alloc(15)), { code: "CONFIGURATION" });
    for (let i = 3; i < 18; i++) ring.install(Buffer.alloc(16, i));
    assert.throws(() => ring.install(Buffer.alloc(16, 99)), { code: "RESOURCE_EXHAUSTED" });
  });

  test("version 0, with padding, is read", () => {
    const nonce = Buffer.alloc(12, 7);
    const cipher = createCipheriv("aes-128-gcm", one, nonce);
    const padded = Buffer.concat([Buffer.from("old peer"), Buffer.alloc(8, 8)]);
    const body = Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
    const sealed = Buffer.concat([Uint8Array.of(0), nonce, body]);
    assert.equal(Buffer.from(new Keyring([one]).open(sealed) ?? []).toString(), "old peer");
  });

  test("a changed bit, a piece, or noise does not open", () => {
    const ring = new Keyring([one]);
    const sealed = ring.seal(Buffer.from("some message"));
    fc.assert(
      fc.property(fc.nat({ max: 8 * sealed.length - 1 }), (bit) => {
        const changed = Uint8Array.from(sealed);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(ring.open(changed), undefined);
        assert.equal(ring.open(sealed.subarray(0, bit >> 3)), undefined);
      }),
    );
  });
});
