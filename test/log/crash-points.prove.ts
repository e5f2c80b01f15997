import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { CRASHES, labelled, recoversFrom, run } from "./crash-points.ts";

const PARTS = 20;
const SEEDS = 10;

export const proof: Proof = {
  name: "crash-points",
  title:
    "a scripted run of the engine (append, roll, truncate, retention) killed or cut off at each of its disk calls, in each of seven ways",
  parts: PARTS,
  isInProcess: true,
  async run(part) {
    const calls = (await run(1, () => undefined)).disk.callCount;
    let crashes = 0;
    for (let at = 1 + part; at <= calls; at += PARTS) {
      for (const [i, crash] of [undefined, ...CRASHES].entries()) {
        const isRandom = crash?.keep === "random" || crash?.directories === "random";
        for (let seed = 1; seed <= (isRandom ? SEEDS : 1); seed++) {
          const { disk, journal } = await run(seed * 1000 + i, (each) => each.stopAfter(at));
          const next = crash === undefined ? disk.kill() : disk.crash(crash);
          const what = `call ${at}, seed ${seed}, ${JSON.stringify(crash ?? "kill")}`;
          await labelled(what, () => recoversFrom(next, journal));
          crashes++;
        }
      }
    }
    return { crashes };
  },
  summary: (parts) => `${total(parts, "crashes")} crashes: nothing acknowledged lost or invented`,
};
