/** What a message must be before anything believes it. A link checks who speaks; this checks what is said. */
import { type Configuration, type ConfigurationMember, limits } from "../base/index.ts";
import type { Core } from "./core.ts";
import type { ConfigurationChange, Entry } from "./entry.ts";
import type { RefusalReason } from "./event.ts";
import type { AppendEntries, Message, MessageKind } from "./message.ts";
import type { Snapshot } from "./storage.ts";

type Check<K extends MessageKind> = (
  message: Extract<Message, { kind: K }>,
) => RefusalReason | undefined;

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** All fields of these names are indexes, terms or ids: safe integers from 0. */
function indexes<K extends MessageKind>(
  ...names: readonly (keyof Extract<Message, { kind: K }>)[]
): Check<K> {
  return (message) => (names.every((name) => isIndex(message[name])) ? undefined : "malformed");
}

const CHECKS: { readonly [K in MessageKind]: Check<K> } = {
  requestVote: (message) =>
    typeof message.transfer === "boolean"
      ? indexes<"requestVote">("lastIndex", "lastTerm")(message)
      : "malformed",
  requestPreVote: indexes<"requestPreVote">("lastIndex", "lastTerm"),
  requestVoteResponse: ({ rejected }) => (typeof rejected === "boolean" ? undefined : "malformed"),
  requestPreVoteResponse: ({ rejected }) =>
    typeof rejected === "boolean" ? undefined : "malformed",
  appendEntries: (message) =>
    indexes<"appendEntries">(
      "previousIndex",
      "previousTerm",
      "commit",
      "damageId",
      "repairIndex",
    )(message) ?? checkChain(message),
  appendEntriesResponse: (message) =>
    typeof message.rejected === "boolean"
      ? indexes<"appendEntriesResponse">("index", "hintIndex", "hintTerm", "damageId")(message)
      : "malformed",
  heartbeat: indexes<"heartbeat">("commit", "readRound"),
  heartbeatResponse: indexes<"heartbeatResponse">("readRound", "damageId"),
  installSnapshot: ({ term, snapshot }) => checkSnapshot(snapshot, term),
  timeoutNow: () => undefined,
  propose: ({ entries }) => checkProposed(entries),
  readIndex: indexes<"readIndex">("readId"),
  readIndexResponse: indexes<"readIndexResponse">("readId", "index"),
  transferLeadership: indexes<"transferLeadership">("target"),
};

/** These may speak for no term. */
const TERMLESS: ReadonlySet<MessageKind> = new Set(["propose", "readIndex"]);
/** Whoever answers must be one whom we may have asked. */
const ANSWERS: ReadonlySet<MessageKind> = new Set([
  "requestVoteResponse",
  "requestPreVoteResponse",
  "appendEntriesResponse",
  "heartbeatResponse",
  "readIndexResponse",
]);

/** Why a message from a link is not taken; undefined when nothing speaks against it. */
export function reasonToRefuse(core: Core, message: Message): RefusalReason | undefined {
  if (!Object.hasOwn(CHECKS, message.kind)) return "malformed";
  const { from, to, term } = message;
  if (!isIndex(from) || from === 0 || from === core.id || to !== core.id) return "malformed";
  if (!isIndex(term) || (term === 0) !== TERMLESS.has(message.kind)) return "malformed";
  const reason = (CHECKS[message.kind] as (message: Message) => RefusalReason | undefined)(message);
  if (reason !== undefined) return reason;
  if (ANSWERS.has(message.kind) && !core.membership.has(from)) return "unknownPeer";
  // Honest replicas raise terms one by one; a jump would use up the numbers that are left.
  return term > core.term + limits.raftTermJumpMax ? "termTooFar" : undefined;
}

function checkChain({
  term,
  previousIndex,
  previousTerm,
  entries,
}: AppendEntries): RefusalReason | undefined {
  if (!Array.isArray(entries)) return "malformed";
  if ((previousIndex === 0) !== (previousTerm === 0)) return "brokenChain";
  let index = previousIndex;
  let atLeast = previousTerm;
  for (const entry of entries as readonly Entry[]) {
    index += 1;
    const reason = checkEntry(entry);
    if (reason !== undefined) return reason;
    if (entry.index !== index || entry.term < atLeast) return "brokenChain";
    atLeast = entry.term;
  }
  return atLeast > term ? "brokenChain" : undefined;
}

function checkEntry(entry: Entry): RefusalReason | undefined {
  const whole = isIndex(entry.index) && entry.index > 0 && isIndex(entry.term) && entry.term > 0;
  return whole ? checkContent(entry) : "malformed";
}

function checkContent(entry: Entry): RefusalReason | undefined {
  if (!isIndex(entry.sizeBytes)) return "malformed";
  switch (entry.kind) {
    case "normal":
    case "noop":
      return undefined;
    case "configuration":
      return isChange(entry.payload) ? undefined : "badConfiguration";
    default:
      return "malformed";
  }
}

function isShortList(value: unknown): boolean {
  return Array.isArray(value) && value.length <= limits.raftMembersMax;
}

const OPERATIONS: ReadonlySet<unknown> = new Set(["addVoter", "addLearner", "remove", "update"]);
const TRANSITIONS: ReadonlySet<unknown> = new Set(["auto", "implicit", "explicit"]);

function isChange(change: ConfigurationChange | undefined): boolean {
  if (typeof change !== "object") return false;
  const { version, transition, operations, configuration } = change;
  return (
    (configuration === undefined || isConfiguration(configuration)) &&
    ((version as unknown) === 1 || (version as unknown) === 2) &&
    TRANSITIONS.has(transition) &&
    isShortList(operations) &&
    operations.every(({ kind, member }) => OPERATIONS.has(kind) && isIndex(member.replicaId))
  );
}

function checkProposed(entries: readonly Entry[]): RefusalReason | undefined {
  if (!Array.isArray(entries) || entries.length === 0) return "malformed";
  for (const entry of entries as readonly Entry[]) {
    if ((entry.kind as unknown) === "noop") return "malformed";
    const reason = checkContent(entry);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function checkSnapshot(snapshot: Snapshot, term: number): RefusalReason | undefined {
  if (!isIndex(snapshot.index) || !isIndex(snapshot.term)) return "malformed";
  if (snapshot.index === 0 || snapshot.term === 0 || snapshot.term > term) return "brokenChain";
  return isConfiguration(snapshot.configuration) ? undefined : "badConfiguration";
}

/** At least one voter; nobody is voter and learner; who becomes a learner later is a voter of the old half. */
export function isConfiguration(configuration: Configuration): boolean {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  const groups: readonly (readonly ConfigurationMember[])[] = [
    voters,
    votersOutgoing,
    learners,
    learnersNext,
  ];
  const areLists = groups.every((group) => isShortList(group));
  if (!areLists) return false;
  const [incoming, outgoing, learning, next] = groups.map(
    (group) => new Set(group.map(({ replicaId }) => replicaId)),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>];
  const ids = [...incoming, ...outgoing, ...learning, ...next];
  return (
    incoming.size > 0 &&
    ids.every((id) => isIndex(id) && id > 0) &&
    [...learning].every((id) => !incoming.has(id) && !outgoing.has(id)) &&
    [...next].every((id) => outgoing.has(id) && !incoming.has(id)) &&
    (outgoing.size > 0 || !configuration.autoLeave)
  );
}
