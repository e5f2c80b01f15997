import type { RowResult } from "./result.ts";

/** What the command line says to each row. */
export interface RowOptions {
  /** Less of everything: figures for a first look. */
  readonly quick: boolean;
  /** Also what takes much room on the disk. */
  readonly full: boolean;
  /** Compare every record with what was sent: content, order, count. */
  readonly check: boolean;
  /** Where CPU profiles of this row's processes go. */
  readonly profileDirectory: string | undefined;
}

export interface RowContext extends RowOptions {
  /** The row's own, empty, on a real disk; removed after it. */
  readonly directory: string;
}

/** One file of `rows/`: measures, and answers with one line of the table or several. */
export interface Row {
  run(context: RowContext): Promise<readonly RowResult[]>;
}

/** Pairs measured by every row that compares. */
export function pairsOf(options: RowOptions): number {
  return options.quick ? 3 : 5;
}
