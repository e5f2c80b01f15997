/**
 * # log: one durable, append-only log on one disk
 *
 * A log is a row of *segments*. A segment is a *store* (the file of framed entries), a sparse
 * *offset index* and *time index* over it, and a *side* file with what was true before its first
 * entry. An *entry* is Raft's envelope with a checksum; an entry of records holds one Kafka
 * RecordBatch, kept and served as it came. The same entry has two coordinates: its *index* among
 * entries and the *base offset* of its records, and it carries both, so that neither needs a
 * translation table.
 *
 * How a write becomes durable: entries are collected, framed and written in groups, one write and one
 * `fdatasync` each (`appender.ts`). Every group begins with a *fence* that says what was durable
 * before it. So, after a crash, recovery can tell a torn tail (bytes nobody was promised: cut) from
 * damage (bytes somebody was promised: never cut, answered with `DATA_LOSS`) (`scan.ts`,
 * `recovery.ts`). How far the log was durable is also kept in `raft.state`, outside the bytes that it
 * guards, so that a file that was cut short is noticed.
 *
 * Invariants: indexes and offsets are dense and never reused; what `sync` resolved for survives any
 * crash of process or machine; recovery never cuts what was durable; a failed sync ends the log,
 * because the next one would lie.
 *
 * Left out on purpose: compaction by key (it makes gaps), memory-mapped indexes (Node has no
 * maintained way; ours are in memory and rebuilt from files), a cache of pages (the kernel's is
 * better).
 *
 * The file formats are drawn byte by byte in `docs/format.md`.
 */
export type { ConfigurationAt } from "./configurations.ts";
export type { Control, SideState } from "./control.ts";
export { openDataDirectory } from "./data-directory.ts";
export type { DataDirectory, DataDirectoryOptions } from "./data-directory.ts";
export { newClusterId } from "./meta.ts";
export type { Disk, DiskFile } from "./disk.ts";
export { ENTRY_TYPE } from "./entry-type.ts";
export type { Entry, EntryType } from "./entry-type.ts";
export { ENTRY_HEADER_BYTES, FENCE_BYTES } from "./entry.ts";
export { Log } from "./log.ts";
export type { RecoveryReport } from "./log.ts";
export { decodeLogStart, encodeLogStart } from "./log-start.ts";
export type { LogStart } from "./log-start.ts";
export type { LogOptions } from "./options.ts";
export type { ReadBatchesOptions, ReadEntriesOptions } from "./reader.ts";
export { EmbeddedLog, openLog } from "./open-log.ts";
export type { BatchesOptions, OpenLogOptions } from "./open-log.ts";
export type { EntrySource } from "./rebuild.ts";
export { overlayDisk } from "./overlay-disk.ts";
export { realDisk } from "./real-disk.ts";
export type { DamagedRange } from "./scan.ts";
export { decodeSide, encodeSide } from "./side.ts";
export type { PrefixMarker, Side } from "./side.ts";
export type { HardState } from "./state-file.ts";
export type { TermRun } from "./term-runs.ts";
export { logWire } from "./wire.ts";
