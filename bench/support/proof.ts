import { execFileSync } from "node:child_process";
import { readSection, writeSection } from "../../test/support/marked-section.ts";
import type { Environment } from "./environment.ts";
import { environmentLine } from "./environment.ts";
import type { RowResult } from "./result.ts";
import { cellsOf, noteLines } from "./table.ts";

/** What the page says of one row. */
interface Told {
  readonly cells: readonly string[];
  note: string | undefined;
}

const COLUMNS = ["row", "value", "limit", "ratio", "goal", "ok", "date", "commit"] as const;

/**
 * Writes the table between two marks of a Markdown page. When only some rows were measured, what the page
 * says of the others stays, with the commit on which it was true.
 */
export async function writeProof(
  file: string,
  root: string,
  measured: {
    readonly environment: Environment;
    readonly rows: readonly RowResult[];
    readonly isWhole: boolean;
  },
): Promise<void> {
  const { environment, rows, isWhole } = measured;
  const told = isWhole ? new Map<string, Told>() : readTold(readSection(file, "bench"));
  const date = environment.date.slice(0, 10);
  const commit = commitOf(root);
  for (const result of rows) {
    const cells = [result.row, ...cellsOf(result), date, commit];
    told.set(result.row, { cells, note: noteLines([result])[0] });
  }
  await writeSection(file, "bench", sectionLines(environment, [...told.values()]));
}

function sectionLines(environment: Environment, told: readonly Told[]): string[] {
  const notes = told.flatMap(({ note }) => (note === undefined ? [] : [note]));
  return [
    "## Benchmark",
    "",
    `\`npm run bench\`, lastly with ${environmentLine(environment)}.`,
    "",
    lineOf(COLUMNS),
    lineOf(COLUMNS.map(() => "---")),
    ...told.map(({ cells }) => lineOf(cells)),
    "",
    "How each was measured:",
    "",
    ...notes.map((line) => `- ${line.trim().split("\n", 1)[0] ?? ""}`),
  ];
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function readTold(lines: readonly string[]): Map<string, Told> {
  const told = new Map<string, Told>();
  for (const line of lines) {
    const cells = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    const [row = ""] = cells;
    const isHead = row === COLUMNS[0] || /^-+$/.test(row);
    if (cells.length === COLUMNS.length && !isHead) told.set(row, { cells, note: undefined });
  }
  // A row's name may begin like another's.
  const names = [...told.keys()].sort((a, b) => b.length - a.length);
  for (const line of lines) {
    const name = names.find((name) => line.startsWith(`- ${name}: `));
    const one = name === undefined ? undefined : told.get(name);
    if (one !== undefined) one.note = line.slice(2);
  }
  return told;
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
