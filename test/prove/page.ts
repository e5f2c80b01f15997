import type { Proof } from "./proof.ts";
import type { Result } from "./results.ts";
import { writeSection } from "../support/marked-section.ts";

interface Known {
  readonly proof: Proof;
  readonly result: Result;
}

/** Writes the proofs that have run, whole or in part, between two marks of a page. */
export async function writeProofs(file: string, known: readonly Known[]): Promise<void> {
  const rows = known.flatMap(({ proof, result }) => {
    const parts = Object.values(result.parts);
    if (parts.length === 0) return [];
    const extent = parts.length === proof.parts ? "" : ` (${parts.length} of ${proof.parts} parts)`;
    const minutes = Math.ceil(result.seconds / 60);
    const cells = [proof.title + extent, proof.summary(parts), `${minutes} min`, result.date];
    return [`| ${[...cells, result.commit].join(" | ")} |`];
  });
  const head = ["| what | found | CPU | date | commit |", "| --- | --- | --- | --- | --- |"];
  await writeSection(file, "prove", ["## Deep runs", "", ...head, ...rows]);
}
