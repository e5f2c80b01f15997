import type { Figures } from "../../prove/proof.ts";

/** Gaps as figures of their own, so that the median over all parts can be told. */
export function gapFigures(name: string, gapsMs: readonly number[]): Figures {
  return Object.fromEntries(gapsMs.map((ms, i) => [`${name}${i}Ms`, Math.round(ms)]));
}

/** The gaps of one name in all parts, ascending. */
export function gapsOf(parts: readonly Figures[], name: string): number[] {
  const isOne = new RegExp(`^${name}\\d+Ms$`);
  return parts
    .flatMap((part) => Object.entries(part))
    .flatMap(([key, ms]) => (isOne.test(key) ? [ms] : []))
    .sort((a, b) => a - b);
}

export function quantilesOf(gapsMs: readonly number[]): string {
  const at = (quantile: number): number => gapsMs[Math.ceil(gapsMs.length * quantile) - 1] ?? 0;
  return `${at(0.5)} ms (p50), ${at(0.99)} ms (p99)`;
}
