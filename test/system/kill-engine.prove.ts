import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { killEngines } from "./support/engine-kills.ts";

const CYCLES = 500;

export const proof: Proof = {
  name: "kill-engine",
  title: "`kill -9` of a process that appends, at random moments, with a journal outside of it",
  parts: 20,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const acknowledged = await killEngines(join(folder, "data"), 100 + part, CYCLES);
      return { kills: CYCLES, acknowledged };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary: (parts) =>
    `${total(parts, "kills")} kills, ${total(parts, "acknowledged")} records acknowledged, 0 lost`,
};
