import type { Row } from "../support/row.ts";

/** A row as it is listed; it is loaded in a process of its own. */
interface ListedRow {
  readonly title: string;
  readonly load: () => Promise<{ readonly row: Row }>;
  /** Longer than this and its processes are ended, and the row has failed. */
  readonly minutesMax: number;
}

const ROW = {
  "embedded-append": {
    title: "the engine alone: appends, one fsync a batch",
    load: () => import("./embedded-append.ts"),
    minutesMax: 3,
  },
  "embedded-read": {
    title: "the engine alone: sequential reads, decoded",
    load: () => import("./embedded-read.ts"),
    minutesMax: 3,
  },
} as const satisfies Record<string, ListedRow>;

export type RowName = keyof typeof ROW;

/** In the order of the table. */
export const ROWS: Readonly<Record<RowName, ListedRow>> = ROW;
