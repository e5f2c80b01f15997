import type { Figures, Proof } from "../prove/proof.ts";
import { SCENARIOS } from "../../sim/scenarios/index.ts";
import { MISTAKES, sweep } from "../../sim/bugs/index.ts";

const CPU_SECONDS_MAX = 300;

/** Every planted bug looked for as if nobody knew where it is, each for five minutes of a core at most. */
export const proof: Proof = {
  name: "planted bugs, blind",
  title: "Every planted bug, looked for from seed 1 on, and then by all scripts",
  parts: MISTAKES.length,
  isInProcess: true,
  run: async (part): Promise<Figures> => {
    const mistake = MISTAKES[part];
    if (mistake === undefined) throw new Error(`there is no part ${part}`);
    const found = await sweep(mistake, {
      subjects: [mistake.file.startsWith("src/raft") ? "core" : "replica"],
      scenarios: Object.keys(SCENARIOS),
      cpuSecondsMax: CPU_SECONDS_MAX,
      minutes: 1,
    });
    if (found === undefined) throw new Error(`nothing finds "${mistake.name}"`);
    const bySeed = found.finder.by === "sim" ? 1 : 0;
    return { found: 1, bySeed, runs: found.runs, cpuSeconds: found.cpuSeconds };
  },
  summary: (parts) => {
    const bySeed = parts.filter((figures) => figures["bySeed"] === 1);
    const slowest = Math.max(0, ...bySeed.map((figures) => figures["cpuSeconds"] ?? 0));
    return `${parts.length} found, ${bySeed.length} of them by seeds, in at most ${slowest.toFixed(0)} s of a core; the others by scripts`;
  },
};
