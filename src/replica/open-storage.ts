import { ProglogError } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import type { DamagedRange } from "../log/index.ts";
import type { InitialState, ReplicaId } from "../raft/index.ts";
import type { HardStateKeeper } from "./hard-state.ts";
import { RaftStorage } from "./raft-storage.ts";
import type { RaftStorageParts } from "./raft-storage.ts";
import type { ReplicaLog } from "./replica-log.ts";

/** What the core begins with. */
export interface Opened {
  readonly storage: RaftStorage;
  readonly commitIndex: number;
  /** One past the last committed record. */
  readonly commitOffset: number;
}

type Parts = Omit<RaftStorageParts, "log" | "onAvailable"> & {
  readonly log: ReplicaLog;
  readonly replicaId: ReplicaId;
};

/**
 * What a start knows. What the last fence called committed is; for an only voter that is everything
 * its disk kept, since nobody else may overrule it. The configuration is the last one that a committed
 * entry made, even if the crash came before it was written down.
 *
 * A replica with others that lost something is `damaged`, durably, before anything is cut or said; it
 * sees its log only as far as the first uncommitted loss, and the leader's entries go there.
 */
export async function openStorage(
  parts: Parts,
  hard: HardStateKeeper,
  onAvailable: () => void,
): Promise<Opened> {
  const { log, replicaId } = parts;
  const isAlone = isSoleVoter(hard.wanted.configuration, replicaId);
  const known = isAlone ? log.lastIndex : Math.min(log.commitIndex, log.lastIndex);
  const commitIndex = Math.max(known, log.firstIndex - 1);
  await log.startAsOf(commitIndex);
  const later = await log.lastConfiguration(hard.wanted.configurationIndex, commitIndex);
  if (later !== undefined) await hard.saveConfiguration(later.index, later.configuration);
  const damaged = await noteDamage(log, hard, replicaId);
  const end = visibleEnd(log, damaged, commitIndex);
  const initial = isAlone ? firstState(log, hard, replicaId) : initialState(hard, commitIndex);
  const storage = await RaftStorage.open({ ...parts, log, onAvailable }, initial, end);
  return { storage, commitIndex, commitOffset: await offsetAfter(log, commitIndex) };
}

/** How far the core sees the log. */
export function visibleEnd(log: ReplicaLog, damaged: boolean, commitIndex: number): number {
  const lost = damaged ? log.damage.find(({ toIndex }) => toIndex > commitIndex) : undefined;
  return lost === undefined ? log.lastIndex : Math.max(commitIndex, lost.fromIndex - 1);
}

/**
 * A log that was just made holds its only voter's vote in term 1, and nothing of that term: the
 * campaign begins before it, so that term 1 is the first to be led.
 */
function firstState(log: ReplicaLog, hard: HardStateKeeper, replicaId: ReplicaId): InitialState {
  const state = initialState(hard, log.lastIndex);
  const { term, vote } = state.hardState;
  if (log.lastIndex > 0 || term !== 1 || vote !== replicaId) return state;
  return { ...state, hardState: { term: 0, vote: 0, commit: 0 } };
}

export function initialState(hard: HardStateKeeper, commit: number): InitialState {
  const { term, vote, configuration, configurationIndex } = hard.wanted;
  return { hardState: { term, vote, commit }, configuration, configurationIndex };
}

export function isSoleVoter(configuration: Configuration, replicaId: ReplicaId): boolean {
  const { voters, votersOutgoing } = configuration;
  return voters.length === 1 && votersOutgoing.length === 0 && voters[0]?.replicaId === replicaId;
}

/** The only voter, and nobody learns from it. */
export function isAlone(configuration: Configuration, replicaId: ReplicaId): boolean {
  const { learners, learnersNext } = configuration;
  if (learners.length > 0 || learnersNext.length > 0) return false;
  return isSoleVoter(configuration, replicaId);
}

/** An only voter is told by nobody what it lost, and outvotes nobody: it goes on with what it has. */
async function noteDamage(
  log: ReplicaLog,
  hard: HardStateKeeper,
  replicaId: ReplicaId,
): Promise<boolean> {
  const { configuration, damaged } = hard.wanted;
  if (isSoleVoter(configuration, replicaId)) {
    if (damaged) await hard.save({ damaged: false });
    return false;
  }
  if (log.damage.length === 0) return damaged;
  if (!damaged) await hard.save({ damaged: true });
  return true;
}

/** Where the record after an entry goes. */
async function offsetAfter(log: ReplicaLog, index: number): Promise<number> {
  if (index === log.lastIndex) return log.nextOffset;
  if (index < log.firstIndex) return (await log.prefixMarker())?.nextOffset ?? log.lowestOffset;
  try {
    const [entry] = await log.readEntries(index, { maxBytes: 1, toIndex: index });
    if (entry?.index === index) return entry.baseOffset + entry.recordCount;
  } catch (error) {
    if (!(error instanceof ProglogError) || error.code !== "DATA_LOSS") throw error;
  }
  return offsetInDamage(log.damage, index) ?? log.lowestOffset;
}

function offsetInDamage(damage: readonly DamagedRange[], index: number): number | undefined {
  const range = damage.find(({ fromIndex, toIndex }) => fromIndex <= index && index <= toIndex);
  return index === range?.toIndex ? range.toOffset : range?.fromOffset;
}
