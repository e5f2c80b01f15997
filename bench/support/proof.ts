import { execFileSync } from "node:child_process";
import { writeSection } from "../../test/support/marked-section.ts";
import type { Environment } from "./environment.ts";
import { environmentLine } from "./environment.ts";
import type { RowResult } from "./result.ts";
import { cellsOf, noteLines } from "./table.ts";

/** Writes the table between two marks of a Markdown page. */
export async function writeProof(
  file: string,
  root: string,
  environment: Environment,
  rows: readonly RowResult[],
): Promise<void> {
  await writeSection(file, "bench", sectionLines(root, environment, rows));
}

function sectionLines(
  root: string,
  environment: Environment,
  rows: readonly RowResult[],
): string[] {
  const date = environment.date.slice(0, 10);
  return [
    "## Benchmark",
    "",
    `\`npm run bench\` on ${date}, commit ${commitOf(root)}: ${environmentLine(environment)}.`,
    "",
    "| row | value | limit | ratio | goal | ok |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows.map((result) => `| ${[result.row, ...cellsOf(result)].join(" | ")} |`),
    "",
    "How each was measured:",
    "",
    ...noteLines(rows).map((line) => `- ${line.trim().split("\n", 1)[0] ?? ""}`),
  ];
}

function commitOf(root: string): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  try {
    const changed = git("status", "--porcelain", "--", "src", "bench") !== "";
    return `${git("rev-parse", "--short", "HEAD").trim()}${changed ? " with changes" : ""}`;
  } catch {
    return "unknown";
  }
}
