import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { nothingHappened } from "./model-machine.ts";
import type { Happened } from "./model-machine.ts";
import { runProgram } from "./model-program.ts";

const PARTS = 20;
const PROGRAMS = 1000;

export const proof: Proof = {
  name: "model",
  title: "random programs of the engine on a faulty disk, beside a model of it",
  parts: PARTS,
  isInProcess: true,
  async run(part) {
    const all: Happened = { ...nothingHappened };
    for (let i = 0; i < PROGRAMS; i++) {
      const seed = part * PROGRAMS + i;
      const happened = await runProgram({ seed, steps: 60, fsync: i % 2 === 0 });
      for (const what of Object.keys(all) as (keyof Happened)[]) all[what] += happened[what];
    }
    return { programs: PROGRAMS, ...all };
  },
  summary(parts) {
    const counted = Object.keys(parts[0] ?? {}).map((name) => `${name} ${total(parts, name)}`);
    return `no difference (${counted.join(", ")})`;
  },
};
