/** The plaintext port: what it tells before, while and after the server is there, and what it does not. */
import assert from "node:assert/strict";
import { connect as dial } from "node:net";
import { describe, test } from "node:test";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { check, checks } from "../../test/support/health-checks.ts";
import { startServer } from "../../test/support/server.ts";
import { silentObserver } from "../base/index.ts";
import { completeConfig } from "./config.ts";
import { HealthDoor } from "./health-door.ts";

describe("the health port", () => {
  test("tells three things apart while a server starts", async () => {
    const config = completeConfig({ healthPort: "auto", bindAddr: "127.0.0.1:0" });
    const state = { ready: false, reason: "it catches up with the leader" } as const;
    const door = await HealthDoor.open(config, {
      ...{ observer: silentObserver, readiness: () => state },
    });
    assert.ok(door !== undefined);
    try {
      const at = door.address;
      const [off, on] = ["NOT_SERVING", "SERVING"];
      assert.deepEqual(await checks(at), { startup: off, readiness: off, liveness: on, "": off });
      door.setStarted();
      assert.deepEqual(await checks(at), { startup: on, readiness: off, liveness: on, "": off });
      const readyz = await fetch(`http://${at}/readyz`);
      assert.equal(readyz.status, 503);
      assert.deepEqual(await readyz.json(), { status: "it catches up with the leader" });
      assert.equal((await fetch(`http://${at}/metrics`)).status, 404);
      door.setReady(true);
      assert.deepEqual(await checks(at), { startup: on, readiness: on, liveness: on, "": on });
      assert.match(await check(at, "log.v1.Log"), /unknown/i);
    } finally {
      await door.close();
    }
  });

  test("a server alone is ready; nothing of its log is told there, and nothing is taken", async (t) => {
    const agent = await startServer(t, { healthPort: "auto" });
    const at = agent.healthAddress ?? assert.fail();
    for (const status of Object.values(await checks(at))) assert.equal(status, "SERVING");
    assert.equal((await fetch(`http://${at}/healthz`)).status, 200);
    assert.equal((await fetch(`http://${at}/readyz`)).status, 200);
    assert.match(await (await fetch(`http://${at}/metrics`)).text(), /^proglog_ready 1$/m);
    for (const path of ["/", "/?offset=0", "/v1/records", "/v1/servers", "/openapi.json", "//"]) {
      assert.equal((await fetch(`http://${at}${path}`)).status, 404, path);
    }
    const post = await fetch(`http://${at}/healthz`, {
      method: "POST",
      body: "x".repeat(1_000_000),
    });
    assert.equal(post.status, 404);
    const produce = new GrpcClient(at, credentials.createInsecure());
    const code = await new Promise((resolve) => {
      const bytes = (value: Buffer): Buffer => value;
      produce.makeUnaryRequest("/log.v1.Log/Produce", bytes, bytes, Buffer.alloc(0), (error) =>
        resolve(error?.code),
      );
    });
    produce.close();
    assert.equal(code, 12, "UNIMPLEMENTED");
    assert.equal(agent.commitLog.highWatermark, 0);
  });

  test("a close does not wait for those who are connected", async (t) => {
    const agent = await startServer(t, { healthPort: "auto" });
    const [host = "", port = ""] = (agent.healthAddress ?? "").split(":");
    const socket = dial(Number(port), host);
    socket.on("error", () => undefined);
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await agent.close();
    await closed;
  });

  test("it is off unless it is asked for, and refuses a port that is taken twice", async (t) => {
    assert.equal((await startServer(t)).healthAddress, undefined);
    assert.throws(
      () => completeConfig({ rpcPort: 8400, healthPort: 8400 }),
      /--health-port and --rpc-port are both 8400/,
    );
  });
});
