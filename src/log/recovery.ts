import { join } from "node:path";
import { assert, NOBODY, ProglogError } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import type { Control } from "./control.ts";
import { controlAfter, controlOf } from "./control.ts";
import { finishCut } from "./cut.ts";
import {
  findSegment,
  listFiles,
  missingSegment,
  removeSegmentFiles,
  STATE_FILE,
  sweep,
} from "./directory.ts";
import type { FoundFiles, FoundSegment } from "./directory.ts";
import type { DiskFile } from "./disk.ts";
import { durably } from "./durably.ts";
import { FENCE_BYTES, writeFence } from "./entry.ts";
import type { FilePool } from "./file-pool.ts";
import { Indexes } from "./indexes.ts";
import { finishInstall } from "./install.ts";
import { logStartInitial } from "./log-start.ts";
import { OffsetIndex } from "./offset-index.ts";
import type { ResolvedLogOptions } from "./options.ts";
import type { Cursor, DamagedRange, ScanResult } from "./scan.ts";
import { createSegment, writeSide } from "./segment-files.ts";
import { readWhole, Segment, segmentPath, startOf } from "./segment.ts";
import { decodeSide } from "./side.ts";
import type { Side } from "./side.ts";
import { StateFile } from "./state-file.ts";
import type { HardState, SyncedMark } from "./state-file.ts";
import { TimeIndex } from "./time-index.ts";
import { readAround } from "./unreadable.ts";
import type { Hole } from "./unreadable.ts";

/** What opening found out. Everything in it is durable. */
export interface Recovered {
  readonly stateFile: StateFile;
  readonly segments: readonly Segment[];
  /** The active segment's file, open for writing. */
  readonly file: DiskFile;
  readonly control: Control;
  readonly end: Cursor;
  readonly commitIndex: number;
  /** Bytes of a torn write that were cut off. */
  readonly tornBytes: number;
  readonly damage: readonly DamagedRange[];
  /** The end of the log could not be read, and was cut: what it held is not known here any more. */
  readonly tailLost: boolean;
  /** `raft.state` was missing or unreadable, and was made anew from the log. */
  readonly stateLost: boolean;
  /** The log had been closed in order: nothing had to be scanned. */
  readonly clean: boolean;
}

export interface RecoveryContext {
  readonly options: ResolvedLogOptions;
  readonly files: FilePool;
}

/**
 * Opens a log directory: decides which segments there are, finds the end of the active one, cuts a
 * torn tail, and makes everything that is kept durable before anyone relies on it.
 *
 * The order matters: first an interrupted installation or cut is finished, then the chain of segments is
 * checked from the newest back (each names the one before it), then the active segment is read,
 * unless a clean stop left its indexes and closing state.
 */
export async function recover(context: RecoveryContext): Promise<Recovered> {
  const found = await listFiles(context.options.disk, context.options.directory);
  const opened = found.hasState ? await openState(context) : undefined;
  try {
    return await recoverFrom(context, found, opened);
  } catch (error) {
    await opened?.close();
    throw error;
  }
}

async function recoverFrom(
  context: RecoveryContext,
  files: FoundFiles,
  opened: StateFile | undefined,
): Promise<Recovered> {
  const { disk, directory, ifMissing } = context.options;
  let found = files;
  const isMissing = opened === undefined && found.firstIndexes.length === 0;
  if (isMissing && ifMissing === "refuse") throw lostLog(directory);
  const isLost = isMissing && ifMissing === "damaged";
  const isFresh = isMissing && !isLost && !found.hasState;
  if ((opened?.hard.installing ?? 0) > 0) {
    await finishInstall(context.options, opened as StateFile);
    found = await listFiles(disk, directory);
  }
  if (opened?.mark?.cutting === true) {
    await finishCut(context.options, opened, opened.mark);
    found = await listFiles(disk, directory);
  }
  const stateFile =
    isFresh || isLost
      ? await createState(context, isLost ? emptiedHardState(context) : freshHardState(context))
      : opened;
  const chain = await findChain(context, found.firstIndexes, stateFile?.mark);
  if (chain.length === 0) chain.push(await createFirst(context, stateFile));
  const { configuration } = stateFile?.hard ?? freshHardState(context);
  const active = await openActive(context, chain, {
    mark: stateFile?.mark,
    configuration,
    loseTail: (hole) => loseTail(stateFile, hole),
  });
  if (isFrontMissing(chain[0] as ChainLink, active)) {
    await active.file.close();
    throw missingSegment(directory, (chain[0] as ChainLink).firstIndex);
  }
  const hard = lostHardState(active.control, active.segment.end.term);
  const kept = stateFile ?? (await createState(context, hard));
  await sweep(disk, directory, {
    firstIndexes: chain.map((each) => each.firstIndex),
    closingSide: active.clean ? active.segment.end.index : undefined,
  });
  if (!active.clean) {
    // The names that are found here may not outlive a power cut yet, and entries will rely on them.
    await durably(disk.syncDirectory(directory));
    // And the mark, also when it reads like this already: a process that was killed may have left that in
    // the page cache alone, and on the disk a cut that would take what is appended now.
    await durably(kept.lowerMark(markOf(active.segment)));
  }
  return {
    ...active,
    stateFile: kept,
    segments: [...sealedSegments(context, chain), active.segment],
    end: active.segment.end,
    stateLost: stateFile === undefined || isLost,
  };
}

/**
 * An end that cannot be read may have held what was acknowledged. With others it may be cut, since they
 * have it, once it is durable that this replica is damaged; an only voter keeps it, and does not start.
 */
async function loseTail(stateFile: StateFile | undefined, { error }: Hole): Promise<void> {
  const hard = stateFile?.hard;
  if (stateFile === undefined || hard === undefined || hard.configuration.voters.length < 2) {
    throw error;
  }
  await durably(stateFile.saveHard({ ...hard, damaged: true }));
}

function markOf(segment: Segment): SyncedMark {
  const { index, term, offset } = segment.end;
  return {
    index: index - 1,
    term,
    nextOffset: offset,
    segment: segment.firstIndex,
    segmentBytes: segment.sizeBytes,
    clean: false,
    cutting: false,
  };
}

function freshHardState({ options }: RecoveryContext): HardState {
  const { vote, configuration } = options.initial;
  return { term: 1, vote, configurationIndex: 0, configuration, installing: 0, damaged: false };
}

/** The vote is gone: whoever relies on votes has to treat this replica as damaged. */
function lostHardState(control: Control, lastTerm: number): HardState {
  const { configuration, configurationIndex } = control;
  const term = Math.max(lastTerm, 1);
  return { term, vote: 0, configurationIndex, configuration, installing: 0, damaged: true };
}

/** Nothing is left, not even who took part: only its leader can tell. */
function emptiedHardState(context: RecoveryContext): HardState {
  return { ...freshHardState(context), vote: 0, configuration: NOBODY, damaged: true };
}

function lostLog(directory: string): ProglogError {
  const message =
    `${directory} held a log, and nothing of it is left. Bring it back from a copy, or, to begin ` +
    `an empty log under a new identity, remove the whole data directory`;
  return new ProglogError("DATA_LOSS", message, { details: { directory } });
}

function openState({ options }: RecoveryContext): Promise<StateFile | undefined> {
  return StateFile.open(options.disk, join(options.directory, STATE_FILE), options.fsync);
}

function createState({ options }: RecoveryContext, hard: HardState): Promise<StateFile> {
  return StateFile.create(options.disk, join(options.directory, STATE_FILE), hard, options);
}

type ChainLink = FoundSegment & { readonly head: NonNullable<FoundSegment["head"]> };

/** The segments that belong to the log, oldest first; throws when one is missing. */
async function findChain(
  { options }: RecoveryContext,
  firstIndexes: readonly number[],
  mark: SyncedMark | undefined,
): Promise<ChainLink[]> {
  const { disk, directory } = options;
  const found: FoundSegment[] = [];
  for (const first of firstIndexes) found.push(await findSegment(disk, directory, first));
  while (await dropUnbornSegment(options, found));
  const last = found[found.length - 1];
  if (mark !== undefined && mark.index > 0 && mark.segment > (last?.firstIndex ?? 0)) {
    throw missingSegment(directory, mark.index + 1);
  }
  const chain: ChainLink[] = [];
  for (const link of found.reverse()) {
    const { head } = link;
    if (head === undefined) throw unreadableSide(directory, link.firstIndex);
    const next = chain[0];
    if (next !== undefined && !next.guessed && next.head.previousFirstIndex !== link.firstIndex) {
      if (next.firstIndex <= next.head.logStart.index) break;
      throw missingSegment(directory, next.firstIndex);
    }
    chain.unshift({ ...link, head });
  }
  return chain;
}

/**
 * Whether the first segment names one before it that no log start has let go. Where entries of the
 * active segment are lost, the log start may be among them.
 */
function isFrontMissing({ head, guessed }: ChainLink, { control, damage }: Active): boolean {
  if (guessed || head.previousFirstIndex === 0 || damage.length > 0) return false;
  return head.firstIndex > control.logStart.index;
}

/**
 * A last segment without entries whose making was interrupted is no segment: its head may be missing,
 * or the segment before it may have gone on growing.
 */
async function dropUnbornSegment(
  { disk, directory }: ResolvedLogOptions,
  found: FoundSegment[],
): Promise<boolean> {
  const last = found[found.length - 1];
  if (last === undefined || last.fileBytes > 0) return false;
  const before = found[found.length - 2];
  const outgrown = before !== undefined && before.fileBytes > (last.head?.previousBytes ?? 0);
  if (last.head !== undefined && !outgrown) return false;
  if (last.head === undefined && before === undefined && last.firstIndex !== 1) return false;
  await removeSegmentFiles(disk, directory, last.firstIndex);
  found.pop();
  return true;
}

function unreadableSide(directory: string, firstIndex: number): ProglogError {
  const path = segmentPath(directory, firstIndex, "side");
  return new ProglogError("DATA_LOSS", `${path} is damaged and cannot be made anew`, {
    details: { file: path },
  });
}

async function createFirst(
  { options, files }: RecoveryContext,
  stateFile: StateFile | undefined,
): Promise<ChainLink> {
  const { configuration, configurationIndex } =
    stateFile?.hard ?? freshHardState({ options, files });
  const { segment, file } = await createSegment(
    { ...options, files },
    {
      firstIndex: 1,
      previousTerm: 0,
      nextOffset: 0,
      appendedAt: 0,
      logStart: logStartInitial,
      featureLevel: 0,
      previousFirstIndex: 0,
      previousBytes: 0,
      commitIndex: 0,
      configuration,
      configurationIndex,
      state: new Uint8Array(0),
    },
  );
  await file.close();
  return { firstIndex: 1, head: segment.head, guessed: false, fileBytes: 0 };
}

/** Every segment but the last: where it ends is where the next begins. */
function sealedSegments(
  { options, files }: RecoveryContext,
  chain: readonly ChainLink[],
): Segment[] {
  return chain.slice(0, -1).map((link, i) => {
    const next = chain[i + 1] as ChainLink;
    const sizeBytes = next.guessed ? link.fileBytes : next.head.previousBytes;
    return new Segment({ ...options, files, head: link.head, sizeBytes, end: startOf(next.head) });
  });
}

interface ActiveOptions {
  readonly mark: SyncedMark | undefined;
  readonly configuration: Configuration;
  /** Before an unreadable end is cut. */
  readonly loseTail: (hole: Hole) => Promise<void>;
}

interface Active {
  readonly segment: Segment;
  readonly file: DiskFile;
  readonly control: Control;
  readonly commitIndex: number;
  readonly tornBytes: number;
  readonly tailLost: boolean;
  readonly damage: readonly DamagedRange[];
  readonly clean: boolean;
}

async function openActive(
  context: RecoveryContext,
  chain: readonly ChainLink[],
  options: ActiveOptions,
): Promise<Active> {
  const link = chain[chain.length - 1] as ChainLink;
  const { mark, configuration } = options;
  const { disk, directory } = context.options;
  const path = segmentPath(directory, link.firstIndex, "log");
  const file = await disk.open(path, "write");
  try {
    const clean =
      mark?.clean === true &&
      mark.segment === link.firstIndex &&
      mark.segmentBytes === link.fileBytes
        ? await openClean(context, link, mark)
        : undefined;
    if (clean !== undefined) return { ...clean, file };
    const side = await activeSide(context, chain, configuration);
    return { ...(await openUnclean(context, link, { ...options, side, file })), file };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** After a clean stop: the closing `.side` and the indexes say all there is to know. */
async function openClean(
  { options, files }: RecoveryContext,
  link: ChainLink,
  mark: SyncedMark,
): Promise<Omit<Active, "file"> | undefined> {
  const { disk, directory } = options;
  const sidePath = segmentPath(directory, mark.index + 1, "side");
  const sideBytes = await readWhole(disk, sidePath);
  const side = sideBytes && decodeSide(sideBytes);
  if (side?.firstIndex !== mark.index + 1 || side.nextOffset !== mark.nextOffset) return undefined;
  const indexBytes = await readWhole(disk, segmentPath(directory, link.firstIndex, "index"));
  const timeBytes = await readWhole(disk, segmentPath(directory, link.firstIndex, "time"));
  const { previousTerm } = link.head;
  const offsets = indexBytes && OffsetIndex.decode(indexBytes, previousTerm, link.fileBytes);
  const times = timeBytes && TimeIndex.decode(timeBytes, link.fileBytes);
  if (offsets === undefined || times === undefined) return undefined;
  const parts = { disk, files, directory, head: link.head, sizeBytes: link.fileBytes };
  const segment = new Segment({ ...parts, end: startOf(side) });
  segment.useIndexes(new Indexes(previousTerm, { offsets, times }));
  options.state.restore(side.state);
  const { commitIndex } = side;
  return {
    segment,
    control: controlOf(side),
    commitIndex,
    tornBytes: 0,
    tailLost: false,
    damage: [],
    clean: true,
  };
}

/** Reads the active segment from its beginning, and makes durable what it keeps of it. */
async function openUnclean(
  { options, files }: RecoveryContext,
  link: ChainLink,
  { side, file, mark, loseTail }: ActiveOptions & { readonly side: Side; readonly file: DiskFile },
): Promise<Omit<Active, "file">> {
  const { disk, directory } = options;
  const durable = mark?.segment === link.firstIndex ? mark : undefined;
  const parts = { disk, files, directory, head: side, sizeBytes: link.fileBytes };
  const segment = new Segment({ ...parts, end: startOf(side) });
  const indexes = new Indexes(side.previousTerm);
  let control = controlOf(side);
  options.state.restore(side.state);
  const result = await segment.scan({
    ...(durable === undefined ? { durable: { index: 0, term: 0, nextOffset: 0 } } : { durable }),
    onEntry: (entry, position) => {
      control = controlAfter(control, entry);
      options.state.apply(entry);
      indexes.note(entry, position);
      return undefined;
    },
  });
  if (result.unreadableTail !== undefined) await loseTail(result.unreadableTail);
  await settle(file, result, side.salt);
  segment.useIndexes(indexes);
  segment.shrink(result.endPosition, result.cursor);
  const commitIndex = Math.max(side.commitIndex, result.commitIndex);
  const { tornBytes } = result;
  const damage = result.damage.filter((range) => range.fence === undefined);
  segment.noteDamage(damage);
  const tailLost = result.unreadableTail !== undefined;
  return { segment, control, commitIndex, tornBytes, tailLost, damage, clean: false };
}

/**
 * Cuts the torn tail, mends damaged fences, then writes what lies above the last good fence once more
 * and syncs it all. After a failed sync the page cache shows bytes that the disk does not have; writing
 * them again is what makes the two agree.
 */
async function settle(file: DiskFile, result: ScanResult, salt: Uint8Array): Promise<void> {
  if (result.tornBytes > 0) await file.truncate(result.endPosition);
  for (const { fence, position } of result.damage) {
    if (fence === undefined) continue;
    const bytes = new Uint8Array(FENCE_BYTES);
    writeFence(bytes, 0, fence, salt);
    await file.write(bytes, position);
  }
  const from = result.lastFencePosition;
  const bytes = new Uint8Array(result.endPosition - from);
  let holes: readonly Hole[] = [];
  let read: number;
  try {
    read = await file.read(bytes, from);
  } catch (error) {
    ({ length: read, holes } = await readAround(error, file, bytes, from));
  }
  assert(read === bytes.length, "what was scanned can be read again");
  // What is not there cannot be written again, and may yet come back.
  let at = from;
  for (const hole of [...holes, { position: result.endPosition, endPosition: 0 }]) {
    if (hole.position > at) {
      await file.write(bytes.subarray(at - from, hole.position - from), at);
    }
    at = hole.endPosition;
  }
  await durably(file.sync());
}

/** The active segment's whole `.side`, made anew when it is damaged. */
async function activeSide(
  context: RecoveryContext,
  chain: readonly ChainLink[],
  configuration: Configuration,
): Promise<Side> {
  const { disk, directory } = context.options;
  const link = chain[chain.length - 1] as ChainLink;
  const path = segmentPath(directory, link.firstIndex, "side");
  const bytes = await readWhole(disk, path);
  const side = bytes && decodeSide(bytes);
  if (side !== undefined) return side;
  const rebuilt =
    link.firstIndex === 1
      ? { ...link.head, configuration, configurationIndex: 0, state: new Uint8Array(0) }
      : await sideFromSegmentBefore(context, chain);
  if (rebuilt === undefined) throw unreadableSide(directory, link.firstIndex);
  await writeSide(disk, path, rebuilt);
  await durably(disk.syncDirectory(directory));
  return rebuilt;
}

/** What is true before a segment is what is true after the one before it. */
async function sideFromSegmentBefore(
  { options, files }: RecoveryContext,
  chain: readonly ChainLink[],
): Promise<Side | undefined> {
  const before = sealedSegments({ options, files }, chain).pop();
  const side = await before?.readSide();
  if (before === undefined || side === undefined) return undefined;
  let control = controlOf(side);
  options.state.restore(side.state);
  await before.scan({
    onEntry: (entry) => {
      control = controlAfter(control, entry);
      options.state.apply(entry);
      return undefined;
    },
  });
  return {
    ...(chain[chain.length - 1] as ChainLink).head,
    ...control,
    previousFirstIndex: before.firstIndex,
    previousBytes: before.sizeBytes,
    state: options.state.encode(),
  };
}
