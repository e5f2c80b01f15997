import type { RowResult } from "./result.ts";

const COLUMNS = [
  { title: "row", width: 58 },
  { title: "value", width: 13 },
  { title: "unit", width: 11 },
  { title: "limit", width: 13 },
  { title: "ratio", width: 8 },
  { title: "goal", width: 12 },
  { title: "ok", width: 6 },
] as const;

export function tableHead(): string {
  const titles = COLUMNS.map(({ title, width }) => title.padEnd(width));
  return `${titles.join(" ")}\n${COLUMNS.map(({ width }) => "-".repeat(width)).join(" ")}`;
}

export function tableLine(result: RowResult): string {
  const { row, value, unit, limit, ratio, goal } = result;
  const cells = [
    row,
    value === null ? "-" : number(value),
    unit,
    limit === null ? "-" : number(limit),
    ratio === null ? "-" : `${number(ratio)}x`,
    goal,
    verdict(result),
  ];
  return COLUMNS.map(({ width }, at) => (cells[at] ?? "").padEnd(width))
    .join(" ")
    .trimEnd();
}

/** What does not fit into the columns: how it was measured, or why not. */
export function noteLines(results: readonly RowResult[]): string[] {
  return results.flatMap(({ row, note, skipped, failed }) => {
    const said = failed ?? skipped ?? note;
    if (said === undefined) return [];
    const how = failed === undefined ? (skipped === undefined ? "" : "skipped: ") : "failed: ";
    return [`  ${row}: ${how}${said}`];
  });
}

/** What each column but the first says about a result, in words. */
export function cellsOf(result: RowResult): string[] {
  const { value, unit, limit, ratio, goal } = result;
  return [
    value === null ? "-" : `${number(value)} ${unit}`,
    limit === null ? "-" : `${number(limit)} ${unit}`,
    ratio === null ? "-" : `${number(ratio)}x`,
    goal,
    verdict(result),
  ];
}

function verdict({ ok, skipped, failed }: RowResult): string {
  if (failed !== undefined) return "failed";
  if (skipped !== undefined) return "skip";
  if (ok === null) return "-";
  return ok ? "yes" : "no";
}

/** Three digits are as many as repeat. */
function number(value: number): string {
  const digits =
    Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return value.toLocaleString("en-US", digits);
}
