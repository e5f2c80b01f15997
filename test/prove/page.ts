import type { Proof } from "./proof.ts";
import type { Result } from "./results.ts";
import { readSection, writeSection } from "../support/marked-section.ts";

interface Known {
  readonly proof: Proof;
  readonly result: Result;
}

/** A row's first cell, without how many of its parts have run. */
const TITLE = /^\| (.*?)(?: \(\d+ of \d+ parts[^)]*\))?\s*\|/;

/**
 * Writes the proofs that have run, whole or in part, between two marks of a page. What the page says of
 * proofs of which nothing is known here is left, as long as there are such proofs.
 */
export async function writeProofs(
  file: string,
  known: readonly Known[],
  titles: readonly string[],
): Promise<void> {
  const rows = new Map<string, string>();
  for (const line of readSection(file, "prove")) {
    const title = TITLE.exec(line)?.[1];
    if (title !== undefined && titles.includes(title)) rows.set(title, line);
  }
  for (const { proof, result } of known) {
    const parts = Object.values(result.parts);
    if (parts.length === 0) continue;
    const extent = parts.length === proof.parts ? "" : ` (${parts.length} of ${proof.parts} parts)`;
    const minutes = Math.ceil(result.seconds / 60);
    const cells = [proof.title + extent, proof.summary(parts), `${minutes} min`, result.date];
    rows.set(proof.title, `| ${[...cells, result.commit].join(" | ")} |`);
  }
  const head = ["| what | found | CPU | date | commit |", "| --- | --- | --- | --- | --- |"];
  await writeSection(file, "prove", ["## Deep runs", "", ...head, ...rows.values()]);
}
