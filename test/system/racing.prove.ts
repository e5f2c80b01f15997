import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Proof, total } from "../prove/proof.ts";
import { raceForOffsets } from "./support/racing.ts";

const CLIENTS = 50;
const OFFSETS = 1_000;
const FAULTS = { kill: 10, pause: 5, cut: 5 };
const PARTS = 4;

export const proof: Proof = {
  name: "racing",
  title: `${CLIENTS} clients race for each offset by conditional appends, while leaders are killed, stopped and cut off`,
  parts: PARTS,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const options = {
        ...{ folder, clients: CLIENTS, offsets: OFFSETS, faults: FAULTS },
        seed: 300 + part,
      };
      const { offsets, won, lost, unanswered } = await raceForOffsets(options);
      const { kill: kills, pause: pauses, cut: cuts } = FAULTS;
      return { kills, pauses, cuts, offsets, won, lost, unanswered };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary: (parts) =>
    `${total(parts, "kills")} kills, ${total(parts, "pauses")} pauses, ${total(parts, "cuts")} cuts; ` +
    `${total(parts, "offsets")} offsets, one winner each, ${total(parts, "won")} of them told so; ` +
    `${total(parts, "lost")} refused, none of them there; ${total(parts, "unanswered")} unanswered`,
};
