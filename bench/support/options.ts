import { parseArgs } from "node:util";
import { ROWS } from "../rows/index.ts";
import type { RowName } from "../rows/index.ts";
import type { RowOptions } from "./row.ts";

export interface BenchOptions extends RowOptions {
  readonly rows: readonly RowName[];
  readonly jsonFile: string | undefined;
  /** A Markdown file in whose table these rows are replaced. */
  readonly proofFile: string | undefined;
}

export const USAGE: string = `Measures proglog against the limits of this machine, and prints one table.

  npm run bench -- [options]

  --rows a,b        only these rows (see below)
  --quick           less of everything: 2-3 minutes, for a first look
  --full            also what takes 10 GB of disk
  --check           compare every record with what was sent
  --json FILE       the table as JSON, too
  --proof FILE      write it into a Markdown file, in place of what it says of these rows
  --profile DIR     CPU profiles of every process that is measured
  --help

Rows:
${Object.entries(ROWS)
  .map(([name, { title }]) => `  ${name.padEnd(17)} ${title}`)
  .join("\n")}
`;

export class UsageError extends Error {}

/** Undefined: help was asked for. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  return {
    rows: rowNames(values.rows),
    quick: values.quick ?? false,
    full: values.full ?? false,
    check: values.check ?? false,
    jsonFile: values.json,
    proofFile: values.proof,
    profileDirectory: values.profile,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rows: { type: "string" },
        quick: { type: "boolean" },
        full: { type: "boolean" },
        check: { type: "boolean" },
        json: { type: "string" },
        proof: { type: "string" },
        profile: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function rowNames(list: string | undefined): RowName[] {
  const all = Object.keys(ROWS) as RowName[];
  if (list === undefined) return all;
  const wanted = list.split(",").map((name) => name.trim());
  for (const name of wanted) {
    if (Object.hasOwn(ROWS, name)) continue;
    throw new UsageError(`there is no row "${name}"; there are ${all.join(", ")}`);
  }
  return all.filter((name) => wanted.includes(name));
}
