import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { cutPower } from "./support/power-cuts.ts";

const CUTS = 50;

export const proof: Proof = {
  name: "power-cut",
  title: "power cuts under a real ext4, a process appending (as root: it mounts images)",
  parts: 10,
  async run(part) {
    return { cuts: CUTS, acknowledged: await cutPower(100 + part, CUTS) };
  },
  summary: (parts) =>
    `${total(parts, "cuts")} cuts, ${total(parts, "acknowledged")} records acknowledged, 0 lost`,
};
