import { openDataLog, SETTINGS } from "../agent/index.ts";
import type { DataLog } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import type { Context } from "./run.ts";

/** How much is read from the log at once. */
export const READ_BYTES: number = 1024 * 1024;

/**
 * The log of a data directory, whoever it belongs to, as long as no server has it: to look at, or to
 * append to.
 */
export function openOffline(
  { terminal, json }: Context,
  dataDir: string,
  how: "read" | "append",
): Promise<DataLog> {
  const settings = {
    dataDir,
    nodeName: "",
    clusterName: "",
    fsync: SETTINGS.fsync.fallback(),
    segmentBytes: SETTINGS.segmentBytes.fallback(),
    scrubBytesPerSecond: 0,
  };
  const readOnly = how === "read";
  const observer = terminal.observer("warn", json);
  return openDataLog(settings, { mustExist: readOnly, readOnly, observer });
}

/** What follows the damage that a read has met; throws what is no damage, or has no end. */
export function skipDamage(caught: unknown, detail: string, context: Context): number {
  const error = ProglogError.from(caught);
  const next = Number(error.details[detail]);
  if (error.code !== "DATA_LOSS" || !Number.isSafeInteger(next)) throw caught;
  context.report(error);
  return next;
}
