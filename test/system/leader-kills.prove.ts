import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Figures, Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { killLeaders } from "./support/leader-kills.ts";

const KILLS = 20;

/** A part's gaps as figures of their own, so that the median of all parts can be told. */
const gapsOf = (parts: readonly Figures[]): number[] =>
  parts
    .flatMap((part) => Array.from({ length: KILLS }, (_, i) => part[`gap${i}Ms`] ?? Number.NaN))
    .sort((a, b) => a - b);

export const proof: Proof = {
  name: "leader-kills",
  title: "`kill -9` of the leader of three servers under load, and what clients see of it",
  parts: 10,
  async run(part) {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-prove-")));
    try {
      const { acknowledged, unanswered, gapsMs } = await killLeaders(folder, KILLS, 100 + part);
      const gaps = Object.fromEntries(gapsMs.map((ms, i) => [`gap${i}Ms`, Math.round(ms)]));
      return { kills: KILLS, acknowledged, unanswered, ...gaps };
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  },
  summary(parts) {
    const gaps = gapsOf(parts);
    const at = (quantile: number): number => gaps[Math.ceil(gaps.length * quantile) - 1] ?? 0;
    return (
      `${total(parts, "kills")} kills, ${total(parts, "acknowledged")} records acknowledged, ` +
      `0 lost; no acknowledgement for ${at(0.5)} ms (p50), ${at(0.99)} ms (p99)`
    );
  },
};
