import { crc32 } from "node:zlib";
import {
  assert,
  decodeConfiguration,
  encodeConfiguration,
  equalBytes,
  getU32,
  getU64,
  limits,
  ProglogError,
  putU32,
  putU64,
} from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";

/** What Raft must not forget (the paper's figure 2, "persistent state", and the configuration). */
export interface HardState {
  readonly term: number;
  /** Replica id voted for in `term`; 0 is nobody. */
  readonly vote: number;
  readonly configurationIndex: number;
  readonly configuration: Configuration;
  /**
   * While a prefix marker is being installed, the first index of the log that it begins; else 0. The
   * rest of the work is done again at the next start.
   */
  readonly installing: number;
  /**
   * This replica lost something that it may have promised: it neither votes nor counts until it has
   * been made whole from others. Kept here, since the traces of the loss go when it is mended.
   */
  readonly damaged: boolean;
}

/** How far the log was durable: kept outside the bytes it guards, so that a cut is noticed. */
export interface SyncedMark {
  readonly index: number;
  readonly term: number;
  readonly nextOffset: number;
  /** First index of the segment that was active, and how long it was. */
  readonly segment: number;
  readonly segmentBytes: number;
  /** The log was closed in order, and not appended to since. */
  readonly clean: boolean;
  /** What follows the mark is being cut off: the rest of the work is done again at the next start. */
  readonly cutting: boolean;
}

const CLEAN = 1;
const CUTTING = 2;

/**
 * `raft.state`: 24 KiB, allocated at once. Two copies of the hard state at 0 and 8192, written one
 * after the other with a sync between, so that one is whole at any time; the synced mark at 16384.
 *
 * A copy: magic "PLRS" u32 · version u32 · checksum u32 (CRC-32 of the version and what follows) · configuration
 * bytes u16 · flags u16 (1: damaged) · sequence u64 · term u64 · vote u64 · configuration index u64 · installing u64 ·
 * configuration. The mark: magic "PLMK" u32 · version u32 · checksum u32 · flags u32 (1: clean, 2: cutting) ·
 * index u64 · term u64 · next offset u64 · segment u64 · segment length u64. All little-endian.
 */
const COPY_AT = [0, 8192] as const;
const MARK_AT = 16384;
const SLOT_BYTES = 8192;
export const STATE_FILE_BYTES: number = 3 * SLOT_BYTES;
const COPY_MAGIC = 0x53524c50; // "PLRS"
const MARK_MAGIC = 0x4b4d4c50; // "PLMK"
const VERSION = 1;
const DAMAGED_FLAG = 0x10000;
const COPY_HEAD_BYTES = 56;
const MARK_BYTES = 56;
assert(limits.configurationBytesMax + COPY_HEAD_BYTES <= SLOT_BYTES, "a copy fits into its slot");

export class StateFile {
  readonly #file: DiskFile;
  readonly #fsync: boolean;
  #sequence: number;
  #hard: HardState;
  #mark: SyncedMark | undefined;
  #queue: Promise<void> = Promise.resolve();

  private constructor(file: DiskFile, fsync: boolean, found: Found) {
    this.#file = file;
    this.#fsync = fsync;
    this.#sequence = found.sequence;
    this.#hard = found.hard;
    this.#mark = found.mark;
  }

  /** Makes the file with its first state, durable with its name. */
  static async create(
    disk: Disk,
    path: string,
    hard: HardState,
    options: { readonly directory: string; readonly fsync: boolean },
  ): Promise<StateFile> {
    const temporary = `${path}.tmp`;
    const file = await disk.open(temporary, "replace");
    await file.write(new Uint8Array(STATE_FILE_BYTES), 0);
    const bytes = encodeCopy(hard, 1);
    for (const at of COPY_AT) await file.write(bytes, at);
    await file.sync();
    await disk.rename(temporary, path);
    await disk.syncDirectory(options.directory);
    return new StateFile(file, options.fsync, { sequence: 1, hard, mark: undefined });
  }

  /**
   * Opens the file; undefined when neither copy is whole. An invalid or older copy is rewritten and
   * synced before this resolves, so that nothing is answered on the strength of a single copy.
   */
  static async open(disk: Disk, path: string, fsync: boolean): Promise<StateFile | undefined> {
    const file = await disk.open(path, "write");
    const bytes = new Uint8Array(STATE_FILE_BYTES);
    await file.read(bytes, 0);
    const copies = COPY_AT.map((at) => decodeCopy(bytes.subarray(at, at + SLOT_BYTES)));
    const best = copies.reduce((a, b) => ((b?.sequence ?? 0) > (a?.sequence ?? 0) ? b : a));
    if (best === undefined) {
      await file.close();
      return undefined;
    }
    const whole = encodeCopy(best.hard, best.sequence);
    for (const [i, at] of COPY_AT.entries()) {
      if (copies[i]?.sequence === best.sequence) continue;
      await file.write(whole, at);
      await file.sync();
    }
    const mark = decodeMark(bytes.subarray(MARK_AT, MARK_AT + MARK_BYTES));
    return new StateFile(file, fsync, { ...best, mark });
  }

  get hard(): HardState {
    return this.#hard;
  }

  get mark(): SyncedMark | undefined {
    return this.#mark;
  }

  /** Resolves once the state is durable in both copies. */
  saveHard(hard: HardState): Promise<void> {
    return this.#inOrder(async () => {
      const bytes = encodeCopy(hard, ++this.#sequence);
      for (const at of COPY_AT) {
        await this.#file.write(bytes, at);
        await this.#file.sync();
      }
      this.#hard = hard;
    });
  }

  /** Resolves once the mark is durable, or with fsync relaxed once it is written. */
  saveMark(mark: SyncedMark): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#mark !== undefined && equalBytes(encodeMark(mark), encodeMark(this.#mark))) return;
      await this.#file.write(encodeMark(mark), MARK_AT);
      if (this.#fsync) await this.#file.sync();
      this.#mark = mark;
    });
  }

  /** Resolves once the mark is durable in any case: one that stayed too high would mean damage. */
  lowerMark(mark: SyncedMark): Promise<void> {
    return this.#inOrder(async () => {
      await this.#file.write(encodeMark(mark), MARK_AT);
      await this.#file.sync();
      this.#mark = mark;
    });
  }

  async close(): Promise<void> {
    await this.#queue.catch(() => undefined);
    await this.#file.close();
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

interface Found {
  readonly sequence: number;
  readonly hard: HardState;
  readonly mark: SyncedMark | undefined;
}

function encodeCopy(hard: HardState, sequence: number): Uint8Array {
  const configuration = encodeConfiguration(hard.configuration);
  const bytes = new Uint8Array(COPY_HEAD_BYTES + configuration.length);
  assert(
    configuration.length <= limits.configurationBytesMax,
    "a configuration fits into its slot",
  );
  bytes.set(configuration, COPY_HEAD_BYTES);
  putU32(bytes, 0, COPY_MAGIC);
  putU32(bytes, 4, VERSION);
  // A slot is shorter than 64 KiB, so the upper half of the length is free for flags.
  putU32(bytes, 12, configuration.length + (hard.damaged ? DAMAGED_FLAG : 0));
  putU64(bytes, 16, sequence);
  putU64(bytes, 24, hard.term);
  putU64(bytes, 32, hard.vote);
  putU64(bytes, 40, hard.configurationIndex);
  putU64(bytes, 48, hard.installing);
  putU32(bytes, 8, checksum(bytes));
  return bytes;
}

function decodeCopy(slot: Uint8Array): Omit<Found, "mark"> | undefined {
  const lengthAndFlags = getU32(slot, 12);
  const configurationBytes = lengthAndFlags & 0xffff;
  const end = COPY_HEAD_BYTES + configurationBytes;
  if (getU32(slot, 0) !== COPY_MAGIC || end > SLOT_BYTES) return undefined;
  if (getU32(slot, 8) !== checksum(slot.subarray(0, end))) return undefined;
  refuseOtherVersion(getU32(slot, 4));
  const flags = lengthAndFlags - configurationBytes;
  if (flags !== 0 && flags !== DAMAGED_FLAG) {
    throw new ProglogError("UNSUPPORTED_FORMAT", "raft.state has flags that are not known");
  }
  return {
    sequence: getU64(slot, 16),
    hard: {
      term: getU64(slot, 24),
      vote: getU64(slot, 32),
      configurationIndex: getU64(slot, 40),
      installing: getU64(slot, 48),
      damaged: flags !== 0,
      configuration: decodeConfiguration(slot.subarray(COPY_HEAD_BYTES, end)),
    },
  };
}

function encodeMark(mark: SyncedMark): Uint8Array {
  const bytes = new Uint8Array(MARK_BYTES);
  putU32(bytes, 0, MARK_MAGIC);
  putU32(bytes, 4, VERSION);
  putU32(bytes, 12, (mark.clean ? CLEAN : 0) + (mark.cutting ? CUTTING : 0));
  putU64(bytes, 16, mark.index);
  putU64(bytes, 24, mark.term);
  putU64(bytes, 32, mark.nextOffset);
  putU64(bytes, 40, mark.segment);
  putU64(bytes, 48, mark.segmentBytes);
  putU32(bytes, 8, checksum(bytes));
  return bytes;
}

function decodeMark(bytes: Uint8Array): SyncedMark | undefined {
  if (getU32(bytes, 0) !== MARK_MAGIC) return undefined;
  if (getU32(bytes, 8) !== checksum(bytes)) return undefined;
  refuseOtherVersion(getU32(bytes, 4));
  const flags = getU32(bytes, 12);
  return {
    index: getU64(bytes, 16),
    term: getU64(bytes, 24),
    nextOffset: getU64(bytes, 32),
    segment: getU64(bytes, 40),
    segmentBytes: getU64(bytes, 48),
    clean: flags === CLEAN,
    cutting: flags === CUTTING,
  };
}

/** Over everything but the magic and itself. */
function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(12), crc32(bytes.subarray(4, 8)));
}

function refuseOtherVersion(version: number): void {
  if (version !== VERSION) {
    throw new ProglogError("UNSUPPORTED_FORMAT", `raft.state has version ${version}`);
  }
}
