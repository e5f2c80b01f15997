/** Our core's words in the words of the data files. */
import type { Configuration, ConfigurationMember } from "../../src/base/index.ts";
import type {
  Entry,
  Progress,
  ProgressState,
  Ready,
  RoleName,
  Snapshot,
  StorageAppend,
  StorageApply,
  StorageResponse,
} from "../../src/raft/index.ts";

const ROLES: Readonly<Record<RoleName, string>> = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};

const STATES: Readonly<Record<ProgressState, string>> = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
};

export const MESSAGE_TYPES: Readonly<Record<StorageResponse["kind"], string>> = {
  requestVote: "MsgVote",
  requestVoteResponse: "MsgVoteResp",
  requestPreVote: "MsgPreVote",
  requestPreVoteResponse: "MsgPreVoteResp",
  appendEntries: "MsgApp",
  appendEntriesResponse: "MsgAppResp",
  heartbeat: "MsgHeartbeat",
  heartbeatResponse: "MsgHeartbeatResp",
  installSnapshot: "MsgSnap",
  timeoutNow: "MsgTimeoutNow",
  propose: "MsgProp",
  readIndex: "MsgReadIndex",
  readIndexResponse: "MsgReadIndexResp",
  transferLeadership: "MsgTransferLeader",
  storageAppendResponse: "MsgStorageAppendResp",
  storageApplyResponse: "MsgStorageApplyResp",
};

export function formatRole(role: RoleName): string {
  return ROLES[role];
}

function ids(members: readonly ConfigurationMember[]): string {
  return members.map(({ replicaId }) => replicaId).join(" ");
}

/** `voters=(1 2)&&(3) learners=(4) learners_next=(5) autoleave` */
export function formatConfiguration(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  let text = `voters=(${ids(voters)})`;
  if (votersOutgoing.length > 0) text += `&&(${ids(votersOutgoing)})`;
  if (learners.length > 0) text += ` learners=(${ids(learners)})`;
  if (learnersNext.length > 0) text += ` learners_next=(${ids(learnersNext)})`;
  return autoLeave ? `${text} autoleave` : text;
}

function formatConfState(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  return (
    `Voters:[${ids(voters)}] VotersOutgoing:[${ids(votersOutgoing)}]` +
    ` Learners:[${ids(learners)}] LearnersNext:[${ids(learnersNext)}] AutoLeave:${autoLeave}`
  );
}

function formatSnapshot({ index, term, configuration }: Snapshot): string {
  return `Index:${index} Term:${term} ConfState:${formatConfState(configuration)}`;
}

const OPERATIONS = { addVoter: "v", addLearner: "l", remove: "r", update: "u" } as const;

export function formatEntry(entry: Entry): string {
  const place = `${entry.term}/${entry.index}`;
  if (entry.kind === "noop") return `${place} EntryNormal ""`;
  if (entry.kind === "normal") {
    return `${place} EntryNormal ${JSON.stringify(entry.payload)}`;
  }
  const { version, operations } = entry.payload;
  const words = operations.map(({ kind, member }) => `${OPERATIONS[kind]}${member.replicaId}`);
  const type = version === 1 ? "EntryConfChange" : "EntryConfChangeV2";
  return [place, type, ...words].join(" ");
}

function formatEntries(entries: readonly Entry[], indent: string): string {
  if (entries.length === 0) return "";
  if (entries.length === 1) return ` Entries:[${entries.map(formatEntry).join("")}]`;
  const lines = entries.map((entry) => `\n${indent}  ${formatEntry(entry)}`);
  return ` Entries:[${lines.join("")}\n${indent}]`;
}

interface Parts {
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly term: number;
  readonly logTerm?: number;
  readonly index?: number;
  readonly hint?: number | undefined;
  readonly commit?: number;
  readonly vote?: number;
  readonly entries?: readonly Entry[];
  readonly snapshot?: Snapshot | undefined;
  readonly responses?: readonly StorageResponse[];
}

function formatParts(parts: Parts, indent: string): string {
  const { from, to, type, term, logTerm = 0, index = 0, hint, commit = 0, vote = 0 } = parts;
  let text = `${indent}${from}->${to} ${type} Term:${term} Log:${logTerm}/${index}`;
  if (hint !== undefined) text += ` Rejected (Hint: ${hint})`;
  if (commit > 0) text += ` Commit:${commit}`;
  if (vote > 0) text += ` Vote:${vote}`;
  text += formatEntries(parts.entries ?? [], indent);
  if (parts.snapshot !== undefined) {
    text += `\n${indent}  Snapshot: ${formatSnapshot(parts.snapshot)}`;
  }
  const responses = parts.responses ?? [];
  if (responses.length > 0) {
    const lines = responses.map((response) => `\n${formatMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join("")}\n${indent}]`;
  }
  return text;
}

export function formatMessage(message: StorageResponse, indent = ""): string {
  const { kind, term } = message;
  const from = message.from.toString(16);
  const to = message.to.toString(16);
  const base = { from, to, type: MESSAGE_TYPES[kind], term };
  return formatParts({ ...base, ...detailsOf(message) }, indent);
}

function detailsOf(message: StorageResponse): Partial<Parts> {
  switch (message.kind) {
    case "requestVote":
    case "requestPreVote":
      return { logTerm: message.lastTerm, index: message.lastIndex };
    case "requestVoteResponse":
    case "requestPreVoteResponse":
      return message.rejected ? { hint: 0 } : {};
    case "appendEntries":
      return {
        logTerm: message.previousTerm,
        index: message.previousIndex,
        commit: message.commit,
        entries: message.entries,
      };
    case "appendEntriesResponse":
      return {
        logTerm: message.hintTerm,
        index: message.index,
        hint: message.rejected ? message.hintIndex : undefined,
      };
    case "heartbeat":
      return { commit: message.commit };
    case "installSnapshot":
      return { snapshot: message.snapshot };
    case "propose":
      return { entries: message.entries };
    case "readIndexResponse":
      return { index: message.index };
    case "storageAppendResponse": {
      const { index, indexTerm, snapshot } = message;
      return { from: "AppendThread", index, logTerm: indexTerm, snapshot };
    }
    case "storageApplyResponse":
      return { from: "ApplyThread", entries: message.entries };
    case "heartbeatResponse":
    case "timeoutNow":
    case "readIndex":
    case "transferLeadership":
      return {};
  }
}

export function formatStorageAppend(id: number, append: StorageAppend, answers: boolean): string {
  const { hardState, entries, snapshot, responses } = append;
  return formatParts(
    {
      from: id.toString(16),
      to: "AppendThread",
      type: "MsgStorageAppend",
      term: hardState?.term ?? 0,
      commit: hardState?.commit ?? 0,
      vote: hardState?.vote ?? 0,
      entries,
      snapshot,
      responses: answers ? responses : [],
    },
    "",
  );
}

export function formatStorageApply(id: number, apply: StorageApply, answers: boolean): string {
  return formatParts(
    {
      from: id.toString(16),
      to: "ApplyThread",
      type: "MsgStorageApply",
      term: 0,
      entries: apply.entries,
      responses: answers ? apply.responses : [],
    },
    "",
  );
}

export function formatReady(id: number, ready: Ready): string {
  const lines: string[] = [];
  const { softState, hardState, readStates, entries, snapshot, committedEntries } = ready;
  if (softState !== undefined) {
    lines.push(`Lead:${softState.leader} State:${formatRole(softState.role)}`);
  }
  if (hardState !== undefined) {
    const vote = hardState.vote > 0 ? ` Vote:${hardState.vote}` : "";
    lines.push(`HardState Term:${hardState.term}${vote} Commit:${hardState.commit}`);
  }
  if (readStates.length > 0) lines.push(`ReadStates ${JSON.stringify(readStates)}`);
  if (entries.length > 0) lines.push("Entries:", ...entries.map(formatEntry));
  if (snapshot !== undefined) lines.push(`Snapshot ${formatSnapshot(snapshot)}`);
  if (committedEntries.length > 0) {
    lines.push("CommittedEntries:", ...committedEntries.map(formatEntry));
  }
  const messages = ready.messages.map((message) => formatMessage(message));
  if (ready.storageAppend !== undefined) {
    messages.push(formatStorageAppend(id, ready.storageAppend, true));
  }
  if (ready.storageApply !== undefined) {
    messages.push(formatStorageApply(id, ready.storageApply, true));
  }
  if (messages.length > 0) lines.push("Messages:", ...messages);
  if (lines.length === 0) return "<empty Ready>";
  return [`Ready MustSync=${ready.mustSync}:`, ...lines, ""].join("\n");
}

export function formatProgress(id: number, progress: Progress, isLearner: boolean): string {
  const { state, match, next, paused, pendingSnapshot, recentActive, inflights } = progress;
  let text = `${id}: ${STATES[state]} match=${match} next=${next}`;
  if (isLearner) text += " learner";
  if (paused) text += " paused";
  if (pendingSnapshot > 0) text += ` pendingSnap=${pendingSnapshot}`;
  if (!recentActive) text += " inactive";
  if (inflights.count > 0) text += ` inflight=${inflights.count}${inflights.full ? "[full]" : ""}`;
  return text;
}
