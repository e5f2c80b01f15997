import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import { Door } from "./http-origin.ts";

/** A request for `host` that has come in at `localAddress`. */
function request(host: string, localAddress: string): IncomingMessage {
  const headers = { host };
  const rawHeaders = ["Host", host];
  return { headers, rawHeaders, socket: { localAddress } } as unknown as IncomingMessage;
}

describe("hosts", () => {
  const door = new Door({ allowedOrigins: [], allowedHosts: [] });

  const own: readonly (readonly [host: string, localAddress: string])[] = [
    ["10.0.0.7:8080", "10.0.0.7"],
    ["10.0.0.7", "::ffff:10.0.0.7"],
    ["[fd00::7]:8080", "fd00::7"],
  ];
  for (const [host, localAddress] of own) {
    test(`${host}, reached at ${localAddress}, is its own name`, () => {
      assert.deepEqual(door.admit(request(host, localAddress)), {});
    });
  }

  const foreign: readonly (readonly [host: string, localAddress: string])[] = [
    ["10.0.0.8:8080", "10.0.0.7"],
    ["10.0.0.7.evil.example", "10.0.0.7"],
    ["[fd00::8]", "fd00::7"],
    ["fd00::7", "fd00::7"],
  ];
  for (const [host, localAddress] of foreign) {
    test(`${host}, reached at ${localAddress}, is another's`, () => {
      assert.throws(() => door.admit(request(host, localAddress)), { code: "PERMISSION_DENIED" });
    });
  }
});
