import assert from "node:assert/strict";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { checkDamage, image, ONE_SEGMENT, readEach, SEGMENT } from "./damage.ts";
import { openOn } from "./workload.ts";

const BYTES = 64 * 1024;
const PARTS = 64;

export const proof: Proof = {
  name: "bits-closed",
  title: "each bit of a 64 KiB segment that was closed in order, and of its `.index`, flipped",
  parts: PARTS,
  isInProcess: true,
  async run(part) {
    const from = await image(BYTES, "closed");
    let flips = 0;
    let answeredDataLoss = 0;
    for (const file of ["log", "index"]) {
      const path = `${SEGMENT}.${file}`;
      const bits = from.disk.medium.bytes(path).length * 8;
      for (let bit = part; bit < bits; bit += PARTS) {
        const disk = from.disk.clone();
        disk.medium.flipBit(path, bit);
        const found = await readEach(await openOn(disk, ONE_SEGMENT));
        assert.equal(found.length, from.values.length, `bit ${bit}: nothing is cut`);
        const lost = checkDamage(found, from, `${file}, bit ${bit}`);
        if (file === "index") assert.equal(lost, 0, `bit ${bit}: an index is made anew`);
        if (lost > 0) answeredDataLoss++;
        flips++;
      }
    }
    return { flips, answeredDataLoss };
  },
  summary: (parts) =>
    `${total(parts, "flips")} flips: no wrong byte served, nothing cut, every record outside the group that was hit is there; ${total(parts, "answeredDataLoss")} of them answered DATA_LOSS there`,
};
