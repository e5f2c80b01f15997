/** The scripts on the code as it is: nothing may be violated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runScenario, SCENARIOS } from "./index.ts";

for (const name of Object.keys(SCENARIOS)) {
  test(`scenario ${name}`, async () => {
    assert.deepEqual(await runScenario(name), []);
  });
}
