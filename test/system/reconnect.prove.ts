import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Proof } from "../prove/proof.ts";
import { reconnectAtOnce } from "./support/reconnect.ts";

const CLIENTS = 1_000;
const RECOVERY_MS_MAX = 5_000;

export const proof: Proof = {
  name: "reconnect",
  title: `${CLIENTS} clients of three servers come back at once after all of these were killed (on a machine with nothing else to do)`,
  parts: 3,
  async run() {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const { recoveredMs } = await reconnectAtOnce(folder, CLIENTS);
      assert.ok(recoveredMs <= RECOVERY_MS_MAX, `${recoveredMs} ms`);
      return { recoveredMs: Math.round(recoveredMs) };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary(parts) {
    const ms = parts.map((figures) => figures["recoveredMs"] ?? Number.NaN).sort((a, b) => a - b);
    return `each has its record, and has appended one, ${ms.join(", ")} ms after the servers were ready; the goal is ${RECOVERY_MS_MAX}`;
  },
};
