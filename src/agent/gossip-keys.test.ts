import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { silentObserver } from "../base/index.ts";
import { GossipKeyring } from "./gossip-keys.ts";

const keyOf = (byte: number): string => Buffer.alloc(16, byte).toString("base64");
const bytesOf = (byte: number): Uint8Array => Buffer.alloc(16, byte);

function fileFor(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "proglog-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return path.join(folder, "gossip.keyring");
}

const open = (file: string, ...keys: readonly number[]): GossipKeyring =>
  new GossipKeyring(file, keys.map(keyOf), silentObserver);

describe("keys of gossip", () => {
  test("what the cluster changed is what the next start has", (t) => {
    const file = fileFor(t);
    const first = open(file, 1);
    assert.deepEqual(first.list(), [keyOf(1)]);
    first.install(bytesOf(2));
    assert.deepEqual(open(file, 1).list(), [keyOf(1), keyOf(2)]);
    first.use(bytesOf(2));
    first.remove(bytesOf(1));
    assert.deepEqual(open(file, 1).list(), [keyOf(2)]);
    assert.ok(!readFileSync(file, "utf8").includes(keyOf(1)), "what was removed is not kept");
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test("a configuration that has changed since then is the newer word", (t) => {
    const file = fileFor(t);
    const first = open(file, 1);
    first.install(bytesOf(2));
    assert.deepEqual(open(file, 3, 1).list(), [keyOf(3), keyOf(1)]);
    assert.deepEqual(open(file, 1).list(), [keyOf(1)], "and the file is gone for good");
  });

  test("without keys in the configuration nothing is encrypted, whatever was kept", (t) => {
    const file = fileFor(t);
    open(file, 1).install(bytesOf(2));
    assert.ok(open(file).isEmpty);
  });

  test("a refused change is not kept; a file that holds no keys is told of, and not passed over", (t) => {
    const file = fileFor(t);
    const keys = open(file, 1);
    assert.throws(() => keys.use(bytesOf(9)), { code: "INVALID_ARGUMENT" });
    assert.throws(() => readFileSync(file));
    for (const text of ["", "{", "[]", '{"format":2,"keys":["x"]}', '{"format":1,"keys":[]}']) {
      writeFileSync(file, text);
      assert.throws(() => open(file, 1), { code: "CONFIGURATION" }, text);
    }
  });

  test("a change that cannot be written is made, and said to be lost with the process", (t) => {
    const keys = open(path.join(fileFor(t), "no", "such", "folder"), 1);
    assert.throws(() => keys.install(bytesOf(2)), { code: "STORAGE_FAILED" });
    assert.deepEqual(keys.list(), [keyOf(1), keyOf(2)]);
  });
});
