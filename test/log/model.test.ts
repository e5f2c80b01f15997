import assert from "node:assert/strict";
import { test } from "node:test";
import { nothingHappened } from "./model-machine.ts";
import type { Happened } from "./model-machine.ts";
import { runProgram } from "./model-program.ts";

const PROGRAMS = 200;
const STEPS = 40;

for (const fsync of [true, false]) {
  test(`random programs against a model, ${fsync ? "synced" : "with fsync relaxed"}`, async () => {
    const all: Happened = { ...nothingHappened };
    for (let seed = 1; seed <= PROGRAMS / 2; seed++) {
      const happened = await runProgram({ seed: seed * 1000, steps: STEPS, fsync });
      for (const what of Object.keys(all) as (keyof Happened)[]) all[what] += happened[what];
    }
    for (const [what, times] of Object.entries(all)) assert.ok(times > 0, `${what} happened`);
  });
}
