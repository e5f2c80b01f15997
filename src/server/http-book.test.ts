import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { codeOf, HttpServer, messageOf } from "../../test/support/http-call.ts";
import { needsCurl } from "../../test/support/sessions.ts";
import { limits, ProglogError } from "../base/index.ts";

const FIRST = "TGV0J3MgR28gIzEK";

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("curl", ["-s", ...args]);
  return stdout;
}

describe("the book's requests", () => {
  test("the first session, word for word", needsCurl, async () => {
    await using server = await HttpServer.start();
    const address = `localhost:${server.port}`;
    const values = [FIRST, "TGV0J3MgR28gIzIK", "TGV0J3MgR28gIzMK"];
    for (const [offset, value] of values.entries()) {
      const body = `{"record":{"value":"${value}"}}`;
      assert.equal(await curl("-X", "POST", address, "-d", body), `{"offset":${offset}}\n`);
    }
    for (const [offset, value] of values.entries()) {
      const answer = `{"record":{"value":"${value}","offset":${offset}}}\n`;
      assert.equal(await curl("-X", "GET", address, "-d", `{"offset":${offset}}`), answer);
      assert.equal(await curl(`${address}/?offset=${offset}`), answer);
    }
    const status = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert.equal(await curl(...status, "-X", "GET", address, "-d", '{"offset":3}'), "404");
  });

  test("the session of its sibling: bytes come back, not letters", needsCurl, async () => {
    await using server = await HttpServer.start();
    const address = `localhost:${server.port}`;
    // The last four bits of BB and CC belong to no byte.
    const values = { AA: "AA==", BB: "BA==", CC: "CA==" };
    for (const [offset, value] of Object.keys(values).entries()) {
      const body = `{"record":{"value":"${value}"}}`;
      assert.equal(await curl("-X", "POST", address, "-d", body), `{"offset":${offset}}\n`);
    }
    for (const [offset, value] of Object.values(values).entries()) {
      const answer = `{"record":{"value":"${value}","offset":${offset}}}\n`;
      assert.equal(await curl("-X", "GET", address, "-d", `{"offset":${offset}}`), answer);
    }
  });

  test(
    "a large body that waits for leave is let in, a too large one is not",
    needsCurl,
    async () => {
      await using server = await HttpServer.start();
      const post = ["-X", "POST", `localhost:${server.port}`, "-H", "expect: 100-continue"];
      const status = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload}"];
      const bodyOf = (bytes: number): string =>
        `{"record":{"value":"${Buffer.alloc(bytes).toString("base64")}"}}`;
      const taken = bodyOf(20_000);
      assert.equal(await curl(...post, "-d", taken), '{"offset":0}\n');
      const tooLong = `${taken}${" ".repeat(30_000)}`;
      await using small = await HttpServer.start({ limits: { bodyBytesMax: 30_000 } });
      const refusal = ["-X", "POST", `localhost:${small.port}`, "-H", "expect: 100-continue"];
      assert.equal(await curl(...status, ...refusal, "-d", tooLong), "413 0");
    },
  );

  test("whatever the content type says", async () => {
    await using server = await HttpServer.start();
    for (const type of ["text/plain", "application/x-ndjson", "x", "application/json; charset=x"]) {
      const body = `{"record":{"value":"${FIRST}"}}`;
      const { status } = await server.post("/", body, { "content-type": type });
      assert.equal(status, 200, type);
    }
  });

  test("an empty record is a record", async () => {
    await using server = await HttpServer.start();
    assert.equal((await server.post("/", '{"record":{"value":""}}')).text, '{"offset":0}\n');
    assert.equal((await server.post("/", '{"record":{}}')).text, '{"offset":1}\n');
    assert.equal((await server.post("/", '{"record":{"value":null}}')).text, '{"offset":2}\n');
    assert.deepEqual((await server.get("/?offset=0")).json, { record: { value: "", offset: 0 } });
    assert.deepEqual((await server.get("/?offset=1")).json, { record: { value: "", offset: 1 } });
    assert.deepEqual((await server.get("/?offset=2")).json, { record: { value: null, offset: 2 } });
  });

  const badBodies = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    "7",
    "{}",
    '{"record":null}',
    '{"record":"AA=="}',
    '{"record":[]}',
    '{"record":{"value":7}}',
    '{"record":{"value":["AA=="]}}',
    '{"record":{"value":"!!!!"}}',
    '{"record":{"value":"A"}}',
    '{"record":{"valeu":"AA=="}}',
    '{"record":{"__proto__":{"value":"AA=="}}}',
    '{"__proto__":{"record":{"value":"AA=="}}}',
    '{"record":{"value":"AA=="}}{"record":{"value":"AA=="}}',
    `${"[".repeat(10_000)}${"]".repeat(10_000)}`,
    `{"record":${'{"value":'.repeat(10_000)}`,
  ];
  test("a bad body is 400, and nothing is appended", async () => {
    await using server = await HttpServer.start();
    for (const body of badBodies) {
      const answer = await server.post("/", body);
      assert.equal(answer.status, 400, body.slice(0, 60));
      assert.equal(codeOf(answer), "INVALID_ARGUMENT");
      assert.equal(answer.headers["proglog-not-appended"], "1");
    }
    assert.equal((await server.post("/", Buffer.from([0x7b, 0xff]))).status, 400);
    assert.equal(server.log.highWatermark, 0);
  });

  test("the largest record is taken, one byte more is 413", async () => {
    await using server = await HttpServer.start();
    const bodyOf = (bytes: number): string =>
      `{"record":{"value":"${Buffer.alloc(bytes, "x").toString("base64")}"}}`;
    assert.equal((await server.post("/", bodyOf(limits.recordBytesMax))).status, 200);
    const answer = await server.post("/", bodyOf(limits.recordBytesMax + 1));
    assert.equal(answer.status, 413);
    assert.equal(codeOf(answer), "RECORD_TOO_LARGE");
    assert.equal(answer.headers["proglog-not-appended"], "1");
    assert.equal(server.log.highWatermark, 1);
  });

  test("offsets of every bad kind are 400, those outside of the log 404", async () => {
    await using server = await HttpServer.start();
    await server.post("/", `{"record":{"value":"${FIRST}"}}`);
    const inBody = [
      ...["-1", "1.5", "1.0", "1e0", "9007199254740992", "9007199254740993", "1e400", "NaN"],
      ...['"-1"', '"x"', '""', '" 0"', '"0.0"', '"18446744073709551615"', "null", "true", "[0]"],
    ];
    for (const offset of inBody) {
      const answer = await server.call("GET", "/", { body: `{"offset":${offset}}` });
      assert.equal(answer.status, 400, offset);
      assert.equal(codeOf(answer), "INVALID_ARGUMENT");
    }
    for (const search of [
      "-1",
      "1.5",
      "",
      "x",
      "%30x",
      "9007199254740993",
      "0&offset=0",
      "0&x=1",
    ]) {
      assert.equal((await server.get(`/?offset=${search}`)).status, 400, search);
    }
    for (const body of ["{}", '{"offset":0}x', "0", ""]) {
      assert.equal((await server.call("GET", "/", { body })).status, 400, body);
    }
    for (const offset of ["1", "9007199254740991", '"9007199254740991"']) {
      const answer = await server.call("GET", "/", { body: `{"offset":${offset}}` });
      assert.equal(answer.status, 404, offset);
      assert.equal(codeOf(answer), "OFFSET_OUT_OF_RANGE");
    }
    assert.equal((await server.call("GET", "/", { body: '{"offset":"0"}' })).status, 200);
    assert.equal((await server.call("GET", "/?offset=0", { body: '{"offset":0}' })).status, 400);
  });

  test("past the end only when nobody has more; below the start with the bounds", async () => {
    await using server = await HttpServer.start();
    for (let count = 0; count < 3; count++) {
      await server.post("/", `{"record":{"value":"${FIRST}"}}`);
    }
    assert.equal(server.log.barriers, 0);
    const past = await server.get("/?offset=3");
    assert.equal(server.log.barriers, 1);
    assert.equal(past.text.includes("The requested offset is outside of the log: 3"), true);
    server.log.lowestOffset = 2;
    const below = await server.get("/?offset=1");
    assert.equal(below.status, 404);
    assert.equal(server.log.barriers, 1);
    assert.deepEqual((below.json as { error: { details: unknown } }).error.details, {
      offset: "1",
      lowest: "2",
      highest: "2",
      next: "3",
    });
  });

  test("what the log refuses says whether it was appended", async () => {
    await using server = await HttpServer.start();
    const body = `{"record":{"value":"${FIRST}"}}`;
    const failWith = (notAppended: boolean): void => {
      server.log.onPropose = () => {
        throw new ProglogError("RESOURCE_EXHAUSTED", "the disk is full", { notAppended });
      };
    };
    failWith(true);
    const refused = await server.post("/", body);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers["proglog-not-appended"], "1");
    failWith(false);
    const unknown = await server.post("/", body);
    assert.equal(unknown.status, 429);
    assert.equal(unknown.headers["proglog-not-appended"], undefined);
    assert.equal(messageOf(unknown), "the disk is full");
  });

  test("a mistake of ours is 500 and tells nothing of the inside", async () => {
    await using server = await HttpServer.start();
    server.log.onPropose = () => {
      throw new TypeError("secret.path is not a function");
    };
    const answer = await server.post("/", `{"record":{"value":"${FIRST}"}}`);
    assert.equal(answer.status, 500);
    assert.deepEqual(answer.json, {
      error: { code: "INTERNAL", message: "internal error", details: {} },
    });
  });
});
