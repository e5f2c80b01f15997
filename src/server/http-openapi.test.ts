import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpServer } from "../../test/support/http-call.ts";
import { skipUnless } from "../../test/support/require.ts";
import { WIRE_STATUS } from "../api/index.ts";
import { ERROR_CODES } from "../base/index.ts";
import { OPENAPI } from "./http-openapi.ts";
import { ROUTES } from "./http-routes.ts";

type Json = Readonly<Record<string, unknown>>;
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

interface Operation {
  readonly operationId: string;
  readonly responses: Json;
}

interface Validation {
  readonly valid: boolean;
  readonly errors?: unknown;
}

interface ValidatorModule {
  readonly Validator: new () => { validate(document: unknown): Promise<Validation> };
}

/** An oracle that nobody here wrote. */
const VALIDATOR = "@seriousme/openapi-schema-validator";
const validator = await import(VALIDATOR).then(
  (loaded: unknown) => loaded as ValidatorModule,
  () => undefined,
);

const paths = OPENAPI["paths"] as Paths;
const operations = Object.values(paths).flatMap((item) => Object.values(item));

/** Every `$ref` anywhere. */
function refsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(refsOf);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "$ref" ? [String(inner)] : refsOf(inner),
  );
}

function resolve(ref: string): unknown {
  return ref
    .slice(2)
    .split("/")
    .reduce<unknown>((value, name) => (value as Json | undefined)?.[name], OPENAPI);
}

describe("the OpenAPI document", () => {
  test("is what the server gives", async () => {
    await using server = await HttpServer.start();
    const answer = await server.get("/openapi.json");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, JSON.parse(JSON.stringify(OPENAPI)));
  });

  test("is OpenAPI", skipUnless(validator !== undefined, `the package ${VALIDATOR}`), async () => {
    assert.ok(validator);
    const document: unknown = JSON.parse(JSON.stringify(OPENAPI));
    const { valid, errors } = await new validator.Validator().validate(document);
    assert.deepEqual(errors, undefined);
    assert.equal(valid, true);
  });

  test("has every route and method, and no other", () => {
    const documented = Object.entries(paths).map(([path, item]) => [
      path,
      Object.keys(item).sort(),
    ]);
    const served = [...ROUTES].map(([path, route]) => [
      path,
      Object.keys(route)
        .map((method) => method.toLowerCase())
        .sort(),
    ]);
    assert.deepEqual(documented, served);
  });

  test("points only at what there is, and has nothing that nobody points at", () => {
    const refs = new Set(refsOf(OPENAPI));
    for (const ref of refs) assert.notEqual(resolve(ref), undefined, ref);
    const { schemas } = OPENAPI["components"] as { schemas: Json };
    for (const name of Object.keys(schemas)) {
      assert.ok(refs.has(`#/components/schemas/${name}`), name);
    }
  });

  test("names every operation once", () => {
    const ids = operations.map(({ operationId }) => operationId);
    assert.deepEqual(ids, [...new Set(ids)]);
  });

  test("has the status of every code that a request can end with", () => {
    const documented = new Set(operations.flatMap(({ responses }) => Object.keys(responses)));
    for (const [code, { http }] of Object.entries(WIRE_STATUS)) {
      // Nobody sends the one credential that there is not yet, nor reads what he has left.
      if (code === "UNAUTHENTICATED" || code === "CANCELLED") continue;
      assert.ok(documented.has(String(http)), `${code}: ${http}`);
    }
    const { Error: error } = (OPENAPI["components"] as { schemas: Json }).schemas as {
      Error: { properties: { error: { properties: { code: { enum: string[] } } } } };
    };
    assert.deepEqual(error.properties.error.properties.code.enum, Object.keys(ERROR_CODES));
  });
});
