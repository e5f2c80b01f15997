/**
 * # disk: a disk that fails as disks fail
 *
 * `FaultDisk` is the `Disk` of the log, in memory and repeatable from a seed. It keeps everything
 * twice. *Volatile* is the page cache: what processes see, and what outlives a killed one. *Durable*
 * is what was synced: bytes by `sync`, names by `syncDirectory`, neither by the other. Between the
 * two stand dirty pages and operations on directories, of which a power cut keeps what it likes.
 *
 * ```ts
 * const disk = new FaultDisk({ random: seededRandom(1) });
 * disk.inject({ kind: "sync", nth: 2 }, { error: "EIO" });  // the second sync from now fails
 * disk.stopAfter(17);                                       // the process dies with call 18
 * await Promise.race([program(disk), disk.stopped]);
 * await recover(disk.crash({ keep: "random" }));            // the power was cut
 * ```
 *
 * Invariants: nothing here asks a clock, chance or the thread pool but those handed in, so the same
 * seed gives the same run. `clone` shares pages and copies one only when somebody writes to it. What
 * a successful sync covered outlives everything but damage to the medium. A disk that was killed or
 * crashed answers nobody any more; its successor is another object.
 *
 * Stricter than most file systems on purpose: syncing a new file does not make its name durable, and
 * a failed sync leaves its pages clean, so that the next one succeeds and the bytes are gone
 * (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
 *
 * Left out: permissions, links, times, and removing directories; the log uses none of them.
 */
export { FaultDisk, type FaultDiskOptions } from "./fault-disk.ts";
export type { Hold } from "./call-queue.ts";
export type { CrashOptions } from "./crash.ts";
export {
  diskError,
  type CallMatch,
  type DiskCall,
  type DiskCallKind,
  type DiskErrorCode,
  type Effect,
  type Injection,
} from "./faults.ts";
export type { Medium, Side } from "./medium.ts";
export type { DirectoryOperation } from "./tree.ts";
