import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LogServer } from "../../test/support/log-server.ts";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { ROUTES } from "./http-routes.ts";
import { permissionOfMethod, permissionOfRoute } from "./permissions.ts";

describe("permissions", () => {
  test("every method that is served is in the table", async () => {
    await using server = await LogServer.start(new MemoryCommitLog());
    const { methods } = server.grpc;
    // Nine of the log, two of health, reflection in two versions.
    assert.ok(methods.length >= 13, methods.join(" "));
    for (const path of methods) assert.notEqual(permissionOfMethod(path), undefined, path);
  });

  test("every route is in the table, with every way to ask for it", () => {
    for (const [path, route] of ROUTES) {
      for (const method of Object.keys(route)) {
        assert.notEqual(permissionOfRoute(method, path), undefined, `${method} ${path}`);
      }
      if (route.GET !== undefined) {
        assert.equal(permissionOfRoute("HEAD", path), permissionOfRoute("GET", path));
      }
    }
  });

  test("what is not in the table has no permission", () => {
    for (const path of [
      "",
      "/",
      "/log.v1.Log/",
      "/log.v1.Log/Drop",
      "/other.v1.Log/Produce",
      "/__proto__",
    ]) {
      assert.equal(permissionOfMethod(path), undefined, path);
    }
    for (const path of ["/nothing", "//", "/metrics/", "/healthz/../metrics", "constructor"]) {
      assert.equal(permissionOfRoute("GET", path), undefined, path);
    }
    assert.equal(permissionOfRoute("DELETE", "/"), undefined);
  });

  test("only health asks nobody", () => {
    const open = [...ROUTES.keys()].filter((path) => permissionOfRoute("GET", path)?.length === 0);
    assert.deepEqual(open, ["/healthz", "/readyz"]);
    assert.deepEqual(permissionOfMethod("/grpc.health.v1.Health/Check"), []);
  });
});
