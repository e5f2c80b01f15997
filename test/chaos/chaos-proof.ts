import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { run } from "./run.ts";

const PARTS = 12;
const MINUTES = 5;

/** An hour of chaos in parts of five minutes, each with a seed of its own. */
export function chaosProof(replicas: number): Proof {
  return {
    name: `chaos-${replicas}`,
    title: `chaos on ${replicas} real servers, every kind of fault, ${PARTS} times ${MINUTES} minutes`,
    parts: PARTS,
    async run(part) {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-chaos-")));
      const seed = 1_000 * replicas + part;
      const outcome = await run({ seed, minutes: MINUTES, replicas, folder });
      const { violations, command, figures } = outcome;
      if (violations.length > 0) {
        const told = violations.map(({ rule, message }) => `${rule}: ${message}`).slice(0, 10);
        throw new Error(`${told.join("\n")}\nagain: ${command}\nin ${folder}`);
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
      return { minutes: MINUTES, ...figures };
    },
    summary(parts) {
      const of = (name: string): string => total(parts, name).toLocaleString("en");
      const healedMs = Math.max(...parts.map(({ healedMs }) => healedMs ?? 0));
      return (
        `${of("minutes")} minutes, ${of("faults")} faults, ${of("leaderChanges")} changes of the ` +
        `leader; ${of("acknowledged")} records acknowledged (${of("acknowledgedIdempotent")} by ` +
        `idempotent producers), ${of("unknown")} with unknown outcome, ${of("reads")} read: 0 lost, ` +
        `0 divergent, 0 duplicated; all whole after ${(healedMs / 1_000).toFixed(1)} s at most`
      );
    },
  };
}
