import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import type { Environment } from "./environment.ts";
import { environmentLine } from "./environment.ts";
import type { RowResult } from "./result.ts";
import { cellsOf, noteLines } from "./table.ts";

const BEGIN = "<!-- bench: begin -->";
const END = "<!-- bench: end -->";

/** Writes the table between two marks of a Markdown file, at its end where there are none yet. */
export async function writeProof(
  file: string,
  root: string,
  environment: Environment,
  rows: readonly RowResult[],
): Promise<void> {
  const before = readOrEmpty(file);
  const section = [BEGIN, "", ...sectionLines(root, environment, rows), "", END].join("\n");
  const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
  const after =
    from >= 0 && to > from
      ? before.slice(0, from) + section + before.slice(to + END.length)
      : `${before === "" ? "" : `${before.trimEnd()}\n\n`}${section}\n`;
  const style = await resolveConfig(file);
  writeFileSync(file, await format(after, { ...style, parser: "markdown" }));
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

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
