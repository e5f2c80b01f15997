import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { importsOf, nameCode, readAllSources, shippedSources, type Sources } from "./code.ts";
import { Results } from "./results.ts";

const STORMS = "test/sim/storms.prove.ts";
const sources = readAllSources();

/** The sources as they would be if one file were another. */
function withChange(path: string): Sources {
  const source = sources.get(path);
  assert(source !== undefined, path);
  return new Map([...sources, [path, { ...source, text: `${source.text}\n` }]]);
}

test("a proof in one process is of what it imports, over any number of steps", () => {
  const imported = importsOf(STORMS, sources);
  for (const path of [
    STORMS,
    "src/raft/core.ts",
    "src/replica/consensus.ts",
    "src/log/segment.ts",
  ]) {
    assert(imported.includes(path), path);
  }
  const elsewhere = imported.filter((path) => /^src\/(server|client|cli|agent)\//.test(path));
  assert.deepEqual(elsewhere, []);
});

test("a change of what it runs makes its figures old, and no other change does", () => {
  const before = nameCode(STORMS, true, sources);
  assert.equal(nameCode(STORMS, true, withChange("src/server/index.ts")), before);
  assert.notEqual(nameCode(STORMS, true, withChange("src/log/segment.ts")), before);
  assert.notEqual(nameCode(STORMS, true, withChange(STORMS)), before);
});

test("a proof that starts servers is of all that is shipped, and of no test", () => {
  const before = nameCode(STORMS, false, sources);
  assert.notEqual(nameCode(STORMS, false, withChange("src/server/index.ts")), before);
  const shipped = new Set(shippedSources(sources));
  const unit = [...sources.keys()].find((path) => /^src\/log\/.*\.test\.ts$/.test(path)) ?? "";
  assert(!shipped.has(unit));
  assert.equal(nameCode(STORMS, false, withChange(unit)), before);
});

test("parts add up while the code is the same, and are none of other code", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "proglog-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  new Results(folder, "aaaa").add("a proof, blind", "code-1", {
    ...{ part: 7, figures: { kills: 3 }, seconds: 1.5 },
  });
  const later = new Results(folder, "bbbb");
  later.add("a proof, blind", "code-1", { part: 2, figures: { kills: 4 }, seconds: 0.4 });
  const result = later.of("a proof, blind", "code-1");
  assert.deepEqual(result.parts, { 2: { kills: 4 }, 7: { kills: 3 } });
  assert.deepEqual([result.commit, result.seconds], ["bbbb", 1.9]);
  assert.deepEqual(later.of("a proof, blind", "code-2").parts, {});
});
