import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { gapFigures, gapsOf, quantilesOf } from "./support/gap-figures.ts";
import { killLeaders } from "./support/leader-kills.ts";

const KILLS = 20;

export const proof: Proof = {
  name: "leader-kills",
  title: "`kill -9` of the leader of three servers under load, and what clients see of it",
  parts: 10,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const found = await killLeaders(folder, KILLS, 100 + part);
      const { acknowledged, unanswered, gapsMs, gapsOfAllMs } = found;
      return {
        ...{ kills: KILLS, acknowledged, unanswered },
        ...gapFigures("gap", gapsMs),
        ...gapFigures("all", gapsOfAllMs),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary(parts) {
    return (
      `${total(parts, "kills")} kills, ${total(parts, "acknowledged")} records acknowledged, ` +
      `0 lost; no acknowledgement to our client for ${quantilesOf(gapsOf(parts, "gap"))}, ` +
      `to anybody for ${quantilesOf(gapsOf(parts, "all"))}`
    );
  },
};
