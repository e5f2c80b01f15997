import { openDataLog, SETTINGS } from "../agent/index.ts";
import type { DataLog } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import { complain, terminalObserver } from "./terminal.ts";

/** How much is read from the log at once. */
export const READ_BYTES: number = 1024 * 1024;

/** The log of a data directory, whoever it belongs to, as long as no server has it. */
export function openOffline(dataDir: string, json: boolean, mustExist: boolean): Promise<DataLog> {
  const settings = {
    dataDir,
    nodeName: "",
    clusterName: "",
    fsync: SETTINGS.fsync.fallback(),
    segmentBytes: SETTINGS.segmentBytes.fallback(),
    scrubBytesPerSecond: 0,
  };
  return openDataLog(settings, { mustExist, observer: terminalObserver("warn", json) });
}

/** What follows the damage that a read has met; throws what is no damage, or has no end. */
export function skipDamage(caught: unknown, detail: string): number {
  const error = ProglogError.from(caught);
  const next = Number(error.details[detail]);
  if (error.code !== "DATA_LOSS" || !Number.isSafeInteger(next)) throw caught;
  complain(error.message);
  return next;
}
