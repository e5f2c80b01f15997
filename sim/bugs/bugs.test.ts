/** Every planted bug is found by its recorded finder, and stands where the table says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { format, resolveConfig } from "prettier";
import { BUGS, findAgain, MISTAKES, plant } from "./index.ts";
import { bugTable } from "./table.ts";

describe("planted bugs", () => {
  for (const bug of BUGS) {
    test(`${bug.name} is found`, async () => {
      await using simulator = await plant(bug);
      const violations = await findAgain(simulator, bug.foundBy);
      assert.notDeepEqual(violations, [], "npx tsx sim/bugs/record.ts looks for another finder");
    });
  }

  test("each has a finder, and a name of its own", () => {
    const names = MISTAKES.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(
      BUGS.map(({ name }) => name),
      names,
    );
  });

  test("the page tells who finds which", async () => {
    const path = join(import.meta.dirname, "../../docs/planted-bugs.md");
    const options = { ...(await resolveConfig(path)), filepath: path };
    const table = await format(bugTable(BUGS), options);
    assert.ok(readFileSync(path, "utf8").includes(table), "npx tsx sim/bugs/record.ts writes it");
  });

  test("a text that is not there exactly once is an error", async () => {
    const bug = { name: "x", file: "src/raft/quorum.ts", replace: "", why: "" };
    await assert.rejects(plant({ ...bug, find: "nowhere to be found" }), /0 times/);
    await assert.rejects(plant({ ...bug, find: "voters" }), /times in src.raft.quorum/);
  });
});
