import { argv } from "node:process";
import { ROWS } from "../rows/index.ts";
import type { RowName } from "../rows/index.ts";
import { failed } from "./result.ts";
import type { RowResult } from "./result.ts";
import type { RowContext } from "./row.ts";

/**
 * One row in a process of its own, so that no row meets the heap, the compiled code or the open
 * handles of another.
 */
const [name, context] = [argv[2] as RowName, JSON.parse(argv[3] ?? "{}") as RowContext];

async function results(): Promise<readonly RowResult[]> {
  try {
    const { row } = await ROWS[name].load();
    return await row.run(context);
  } catch (error) {
    return [failed(name, error instanceof Error ? (error.stack ?? error.message) : String(error))];
  }
}

process.on("disconnect", () => process.exit(1));
process.send?.(await results(), () => process.exit(0));
