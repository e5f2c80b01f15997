import {
  limits,
  ProglogError,
  silentObserver,
  soleVoter,
  systemClock,
  systemRandom,
} from "../base/index.ts";
import type { Clock, Configuration, Observer, Random } from "../base/index.ts";
import { noSideState } from "./control.ts";
import type { SideState } from "./control.ts";
import type { Disk } from "./disk.ts";
import { realDisk } from "./real-disk.ts";

/** How a log is opened. Only the directory is needed. */
export interface LogOptions {
  /** Holds the segments and `raft.state`; it must exist. */
  readonly directory: string;
  readonly disk?: Disk;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly observer?: Observer;
  readonly state?: SideState;
  /** What a log that is made now begins with. */
  readonly initial?: { readonly configuration: Configuration; readonly vote: number };
  /**
   * What to do where nothing of a log is left. `make` one, as at a first start; `refuse`, since what was
   * there is lost (`DATA_LOSS`); or begin empty, without knowing anybody, and `damaged`, to be made
   * whole from others.
   */
  readonly ifMissing?: "make" | "refuse" | "damaged";
  /** A segment ends at about this size, which is at most 2 GiB. */
  readonly segmentBytesMax?: number;
  readonly tailCacheBytesMax?: number;
  /** No append for so long: a fence is written, and everything is below the synced mark. */
  readonly idleFenceMs?: number;
  /** False acknowledges before the disk does; for development only. */
  readonly fsync?: boolean;
  /** Less free space than this, or than one segment, and nothing new is admitted. */
  readonly freeBytesMin?: number;
  /** Bytes of sealed segments checked per second in the background; 0 turns the scrub off. */
  readonly scrubBytesPerSecond?: number;
  /**
   * Told once when a write or a sync failed. Nothing can be acknowledged any more, and what is in the
   * page cache may be a lie: the process is expected to end.
   */
  readonly onFailure?: (error: ProglogError) => void;
}

export type ResolvedLogOptions = Required<LogOptions>;

/** Throws `CONFIGURATION` for a segment size that no segment can have. */
export function resolveLogOptions(options: LogOptions): ResolvedLogOptions {
  const { segmentBytesMax = limits.segmentBytesMax } = options;
  if (!(segmentBytesMax > 0 && segmentBytesMax <= limits.segmentBytesHighest)) {
    const message = `a segment has at most ${limits.segmentBytesHighest} bytes, and not ${segmentBytesMax}`;
    throw new ProglogError("CONFIGURATION", message);
  }
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as LogOptions;
  return {
    disk: realDisk,
    clock: systemClock,
    random: systemRandom,
    observer: silentObserver,
    state: noSideState,
    initial: { configuration: soleVoter({ replicaId: 1, name: "local" }), vote: 1 },
    ifMissing: "make",
    segmentBytesMax: limits.segmentBytesMax,
    tailCacheBytesMax: limits.tailCacheBytesMax,
    idleFenceMs: limits.idleFenceMs,
    fsync: true,
    freeBytesMin: limits.freeBytesMin,
    scrubBytesPerSecond: limits.scrubBytesPerSecond,
    onFailure: () => undefined,
    ...given,
  };
}
