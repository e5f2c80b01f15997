import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Proof, total } from "../prove/proof.ts";
import { appendExactlyOnce } from "./support/exactly-once.ts";

const RECORDS = 100_000;
const FAULTS = { kill: 20, pause: 5, cut: 5 };
const PARTS = 10;

export const proof: Proof = {
  name: "exactly-once",
  title:
    "Idempotent appends of four producers and a reader, while leaders of three servers are killed, stopped and cut off",
  parts: PARTS,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const options = { folder, records: RECORDS, faults: FAULTS, seed: 200 + part };
      const { records, duplicates } = await appendExactlyOnce(options);
      const { kill: kills, pause: pauses, cut: cuts } = FAULTS;
      return { kills, pauses, cuts, records, duplicates };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary: (parts) =>
    `${total(parts, "kills")} kills, ${total(parts, "pauses")} pauses, ${total(parts, "cuts")} cuts; ` +
    `${total(parts, "records")} records, each once, in its producer's order, where it was acknowledged; ` +
    `of ${total(parts, "duplicates")} the first attempt had been appended and not answered`,
};
