/** The rule that `raft/` and `gossip/` only decide, as lint enforces it: each way out is planted once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Linter } from "eslint";
import tseslint from "typescript-eslint";

const loaded: unknown = await import(new URL("../eslint.config.js", import.meta.url).href);
const { default: configs } = loaded as { default: Linter.Config[] };

/** The blocks of the configuration that are there for the two cores, without the type-checked rest. */
const purity = configs.filter(({ files }) => files?.includes("src/raft/**/*.ts") === true);

function lint(path: string, code: string): string[] {
  const parser: Linter.Config = {
    files: ["**/*.ts"],
    languageOptions: { parser: tseslint.parser },
  };
  const messages = new Linter().verify(code, [parser, ...purity], { filename: path });
  return messages.map(({ ruleId, message }) => ruleId ?? message);
}

const PLANTED: Readonly<Record<string, string>> = {
  "a file system": 'import { readFileSync } from "node:fs"; readFileSync("x");',
  "a file system by its old name": 'import { readFileSync } from "fs"; readFileSync("x");',
  "a file system, loaded later": 'export const fs = import("node:fs");',
  "the clock": "export const now = Date.now();",
  "the other clock": "export const now = performance.now();",
  chance: "export const x = Math.random();",
  "chance, taken apart": "const { random } = Math; export const x = random();",
  "an async function": "export async function f() {}",
  "an async arrow": "export const f = async () => {};",
  "an async method": "export class A { async f() {} }",
  "a promise": "export const x = Promise.resolve(1);",
  "a timer": "setTimeout(() => {}, 1);",
  "a turn of the event loop": "queueMicrotask(() => {});",
  "the process": "export const x = process.env;",
  "anything through globalThis": "export const x = globalThis.setTimeout;",
};

describe("purity of the two cores", () => {
  for (const [name, code] of Object.entries(PLANTED)) {
    test(`${name} is refused`, () => {
      assert.match(lint("src/raft/planted.ts", code).join(" "), /no-restricted/);
      assert.match(lint("src/gossip/planted.ts", code).join(" "), /no-restricted/);
    });
  }

  test("elsewhere, and in their tests, it is not", () => {
    const code = "export const now = Date.now();";
    assert.deepEqual(lint("src/replica/planted.ts", code), []);
    assert.deepEqual(lint("src/raft/planted.test.ts", code), []);
  });

  test("plain decisions pass", () => {
    const code = "export function quorum(votersCount) { return Math.floor(votersCount / 2) + 1; }";
    assert.deepEqual(lint("src/raft/planted.ts", code), []);
  });
});
