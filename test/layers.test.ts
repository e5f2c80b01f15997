/** The shape of the repository as a test: who imports whom, and the small rules of style. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { findCycles, findLayerViolations } from "./support/layer-rules.ts";
import { readSources, type Source } from "./support/sources.ts";
import { findClosedFolders, findStyleViolations } from "./support/style-rules.ts";

const src = readSources("src");
const sim = readSources("sim");
const around = ["test", "bench", "scripts"].flatMap((folder) => readSources(folder));

describe("the repository", () => {
  test("imports go down the table of layers, through front doors", () => {
    assert.deepEqual(findLayerViolations([...src, ...sim]), []);
  });

  test("no files import each other in a circle", () => {
    assert.deepEqual(findCycles([...src, ...sim]), []);
  });

  test("the rules of style hold", () => {
    assert.deepEqual(findStyleViolations([...src, ...sim, ...around]), []);
  });

  test("each folder has a front door", () => {
    assert.deepEqual(findClosedFolders(src), []);
  });
});

describe("the rules find what is planted", () => {
  const source = (path: string, text: string): Source => ({
    path,
    text,
    imports: [...text.matchAll(/from "(.+?)"/g)].map((match) => match[1] ?? ""),
  });

  const layers: readonly [path: string, text: string, found: RegExp][] = [
    ["src/base/a.ts", 'import { join } from "node:path"', /no node: import/],
    ["src/base/a.ts", 'import { x } from "../log/index.ts"', /may not import "log"/],
    ["src/browser/a.ts", 'import { join } from "node:path"', /no node: import/],
    ["src/raft/a.ts", 'import { x } from "../log/index.ts"', /may not import "log"/],
    ["src/server/a.ts", 'export { x } from "../api/status.ts"', /through its index.ts/],
    ["src/agent/a.ts", 'import type { X } from "../client/index.ts"', /may not import "client"/],
    ["src/log/a.ts", 'import { x } from "../../test/x.ts"', /may not import "test"/],
    ["src/extra/a.ts", "", /not a layer/],
    ["sim/a.ts", 'import { x } from "../src/server/index.ts"', /may not import "server"/],
  ];
  for (const [path, text, found] of layers) {
    test(`${path}: ${text}`, () => {
      assert.match(findLayerViolations([source(path, text)]).join("\n"), found);
    });
  }

  test("a circle of three", () => {
    const a = source("src/log/a.ts", 'import { b } from "./b.ts"');
    const b = source("src/log/b.ts", 'import type { C } from "./deep/c.ts"');
    const c = source("src/log/deep/c.ts", 'export { a } from "../a.ts"');
    assert.deepEqual(findCycles([a, b, c]), [
      "src/log/a.ts → src/log/b.ts → src/log/deep/c.ts → src/log/a.ts",
    ]);
  });

  const styles: readonly [path: string, text: string, found: RegExp][] = [
    ["src/log/a.ts", "\n".repeat(501), /501 lines/],
    ["src/log/a.ts", ["// TO", "DO: later"].join(""), /reminder is left in line 1/],
    ["src/log/a.ts", 'import { x } from "./b"', /without its suffix/],
    ["src/log/a.ts", "export default 1;", /default export/],
    ["src/log/a.ts", "export { x as default };", /default export/],
    ["src/log/a.test.ts", "beforeEach(() => {});", /hook outside a describe/],
    ["src/log/a.ts", 'observer.log("warn", "disk_full", {})', /name of an event/],
    ["src/log/index.ts", 'export { x } from "./x.ts"', /opens with a chapter/],
  ];
  for (const [path, text, found] of styles) {
    test(`${path}: ${text.trim() || "a long file"}`, () => {
      assert.match(findStyleViolations([source(path, text)]).join("\n"), found);
    });
  }

  test("a folder without a front door", () => {
    assert.deepEqual(findClosedFolders([source("src/log/a.ts", "")]), ["src/log"]);
  });
});
