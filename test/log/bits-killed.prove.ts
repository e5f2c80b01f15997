import assert from "node:assert/strict";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { checkDamage, image, ONE_SEGMENT, readEach, SEGMENT } from "./damage.ts";
import { openOn } from "./workload.ts";

const BYTES = 64 * 1024;
const PARTS = 64;

export const proof: Proof = {
  name: "bits-killed",
  title: "each bit of a 64 KiB segment whose process was killed, flipped",
  parts: PARTS,
  isInProcess: true,
  async run(part) {
    const from = await image(BYTES, "killed");
    const bits = from.disk.medium.bytes(`${SEGMENT}.log`).length * 8;
    const lastGroup = from.groups.at(-1) ?? 0;
    let flips = 0;
    let lost = 0;
    for (let bit = part; bit < bits; bit += PARTS) {
      const disk = from.disk.clone();
      disk.medium.flipBit(`${SEGMENT}.log`, bit);
      const found = await readEach(await openOn(disk, ONE_SEGMENT));
      assert.ok(found.length >= lastGroup, `bit ${bit}: ${found.length} offsets`);
      lost = Math.max(lost, checkDamage(found, from, `bit ${bit}`));
      flips++;
    }
    return { flips, lost };
  },
  summary: (parts) =>
    `${total(parts, "flips")} flips: no wrong byte served; at most ${Math.max(...parts.map(({ lost = 0 }) => lost))} records lost, all of the group that was hit`,
};
