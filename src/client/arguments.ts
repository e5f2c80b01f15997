import { checkRecord, ProglogError, type RecordInput } from "../base/index.ts";
import { notSent } from "./not-sent.ts";
import type { RecordsOptions } from "./options.ts";

/** What an append is asked for. Throws `INVALID_ARGUMENT` or `RECORD_TOO_LARGE`. */
export function checkAppend(record: RecordInput, expectedOffset: number | undefined): void {
  try {
    checkRecord(record);
    if (expectedOffset !== undefined) checkOffset(expectedOffset, "expectedOffset");
  } catch (error) {
    throw notSent(error);
  }
}

/** Throws `INVALID_ARGUMENT` for what no log can have. */
export function checkOffset(offset: number, name = "an offset"): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return;
  throw invalid(`${name} is a whole number from 0 on, not ${String(offset)}`);
}

/** Throws `INVALID_ARGUMENT` for a range that is none. */
export function checkRecords({ from, limit, minOffset }: RecordsOptions): void {
  if (minOffset !== undefined) checkOffset(minOffset, "minOffset");
  if (limit !== undefined && !(limit >= 0)) throw invalid(`"limit" is not ${limit}`);
  if (typeof from === "number") checkOffset(from, "from");
  else if (from instanceof Date && Number.isNaN(from.getTime())) throw invalid('"from" is no time');
  else if (typeof from === "string" && !WORDS.includes(from)) {
    throw invalid(`"from" is start, end, an offset or a Date, not ${JSON.stringify(from)}`);
  }
}

const WORDS: readonly string[] = ["start", "end"];

function invalid(message: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", message);
}
