import type { ErrorCode } from "../base/index.ts";

/** What the process says when it ends. Scripts rely on these numbers; they never change. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  /** A port or a data directory is taken. */
  taken: 69,
  disk: 74,
  /** This server was removed from its cluster. */
  removed: 77,
  /** Settings, or files of an unknown format. */
  configuration: 78,
  /** 128 + the number of the signal that ended it. */
  interrupted: 130,
  terminated: 143,
} as const;

const BY_ERROR: Readonly<Partial<Record<ErrorCode, number>>> = {
  LOCKED: EXIT.taken,
  ADDRESS_IN_USE: EXIT.taken,
  STORAGE_FAILED: EXIT.disk,
  REMOVED: EXIT.removed,
  UNSUPPORTED_FORMAT: EXIT.configuration,
  CONFIGURATION: EXIT.configuration,
};

/** Every code that is not in the table is a plain failure. */
export function exitCodeOf(code: ErrorCode): number {
  return BY_ERROR[code] ?? EXIT.failed;
}
