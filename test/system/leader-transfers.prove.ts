import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { gapFigures, gapsOf, quantilesOf } from "./support/gap-figures.ts";
import { transferLeaders } from "./support/leader-transfers.ts";

const TRANSFERS = 20;

export const proof: Proof = {
  name: "leader-transfers",
  title: "leadership handed over under load, by command and by SIGTERM, and what clients see of it",
  parts: 10,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const found = await transferLeaders(folder, TRANSFERS, 200 + part);
      const { acknowledged, unanswered, byCommandMs, bySignalMs } = found;
      return {
        ...{ transfers: TRANSFERS, acknowledged, unanswered },
        ...gapFigures("command", byCommandMs),
        ...gapFigures("signal", bySignalMs),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary(parts) {
    return (
      `${total(parts, "transfers")} transfers, ${total(parts, "acknowledged")} records ` +
      `acknowledged, 0 lost, ${total(parts, "unanswered")} calls unanswered; a client's longest ` +
      `wait: by command ${quantilesOf(gapsOf(parts, "command"))}, ` +
      `by SIGTERM ${quantilesOf(gapsOf(parts, "signal"))}`
    );
  },
};
