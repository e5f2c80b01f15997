import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatIp, isLoopbackIp, parseIp } from "./gossip-address.ts";

test("addresses as text and as bytes", () => {
  const pairs: readonly [text: string, hex: string, canonical?: string][] = [
    ["127.0.0.1", "7f000001"],
    ["::1", "00000000000000000000000000000001"],
    ["2001:db8::2:1", "20010db8000000000000000000020001"],
    ["2001:DB8:0:0:1:0:0:1", "20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["fe80::1%eth0", "fe800000000000000000000000000001", "fe80::1"],
    ["::ffff:10.1.2.3", "0a010203", "10.1.2.3"],
    ["::", "00000000000000000000000000000000"],
  ];
  for (const [text, hex, canonical = text] of pairs) {
    const ip = parseIp(text);
    assert.equal(Buffer.from(ip ?? []).toString("hex"), hex);
    assert.equal(formatIp(Buffer.from(hex, "hex")), canonical);
  }
  for (const text of ["", "localhost", "1.2.3", ":::", "1.2.3.4:5"]) {
    assert.equal(parseIp(text), undefined);
  }
});

test("any address comes back", () => {
  const ips = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(ips, (ip) => {
      assert.deepEqual([...(parseIp(formatIp(ip)) ?? [])], [...ip]);
    }),
  );
});

test("what is loopback, also written as IPv6", () => {
  const isLoopback = (text: string): boolean => isLoopbackIp(parseIp(text) ?? new Uint8Array(4));
  assert.deepEqual(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].map(isLoopback), [
    true,
    true,
    true,
    true,
  ]);
  assert.deepEqual(["0.0.0.0", "10.0.0.1", "::", "fe80::1"].map(isLoopback), [
    false,
    false,
    false,
    false,
  ]);
  const mapped = Buffer.from("00000000000000000000ffff7f000001", "hex");
  assert.ok(isLoopbackIp(mapped));
});
