import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startTestServer } from "./index.ts";

const text = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString();

describe("a server for tests", () => {
  test("is a real one, and leaves nothing behind", async () => {
    for (let round = 0; round < 2; round++) {
      await using server = await startTestServer();
      const client = server.client();
      const { offset } = await client.produce({ value: Buffer.from("hello") });
      assert.equal(text((await client.read(offset)).value), "hello");
      const answer = await fetch(`${server.httpUrl}/v1/records`);
      assert.match(await answer.text(), /"value":"hello"/);
      const { dataDir } = server.agent;
      assert.ok(existsSync(dataDir));
      await server.close();
      assert.ok(!existsSync(dataDir));
      await assert.rejects(client.read(offset), { code: "CLOSED" });
    }
  });

  test("many run at once", async () => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => startTestServer()));
    for (const [at, server] of servers.entries()) {
      await server.client().produce({ value: Buffer.from(String(at)) });
    }
    for (const [at, server] of servers.entries()) {
      assert.equal(text((await server.client().read(0)).value), String(at));
      await server.close();
    }
  });

  test("goes on with data that it is told to keep", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "proglog-kept-"));
    try {
      for (const offset of [0, 1, 2]) {
        await using server = await startTestServer({ dataDir });
        assert.equal((await server.client().produce({ value: null })).offset, offset);
      }
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });

  test("a start that is refused leaves nothing behind", async () => {
    const settings = { aclPolicyFile: "/nowhere/policy.csv" };
    await assert.rejects(startTestServer({ settings }), { code: "CONFIGURATION" });
  });
});
