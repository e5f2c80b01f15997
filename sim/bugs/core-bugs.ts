import type { Mistake } from "./bug.ts";

/** Mistakes in the decisions, `src/raft`: votes and terms. */
const VOTES: readonly Mistake[] = [
  {
    name: "double-vote",
    file: "src/raft/election.ts",
    find: "const free = core.vote === message.from || (core.vote === 0 && core.leader === 0);",
    replace: "const free = true;",
    why: "a voter votes for whoever asks next in the same term",
  },
  {
    name: "vote-forgotten-on-step-down",
    file: "src/raft/transitions.ts",
    find: "    core.term = term;\n    core.vote = 0;\n  }",
    replace: "    core.term = term;\n  }\n  core.vote = 0;",
    why: "stepping down within a term clears the vote",
  },
  {
    name: "vote-not-synced",
    file: "src/raft/ready-queue.ts",
    find: "mustSync: entries.length > 0 || this.#mustSync(hardState),",
    replace: "mustSync: entries.length > 0,",
    why: "a vote without entries is written and not synced",
  },
  {
    name: "up-to-date-by-index",
    file: "src/raft/raft-log.ts",
    find: "return theirs.term > ours.term || (theirs.term === ours.term && theirs.index >= ours.index);",
    replace: "return theirs.index >= ours.index;",
    why: "the longer log wins, whatever its last term",
  },
  {
    name: "no-up-to-date-check",
    file: "src/raft/election.ts",
    find: "return core.log.isUpToDate({ index: message.lastIndex, term: message.lastTerm });",
    replace: "return true;",
    why: "a candidate wins without what was committed",
  },
  {
    name: "pre-vote-counts-as-vote",
    file: "src/raft/candidate.ts",
    find: "  requestPreVoteResponse: accepted,\n  requestVoteResponse: (core, role, message) => {",
    replace:
      "  requestPreVoteResponse: (core, role, message) => CANDIDATE.requestVoteResponse(core, role, message as never),\n  requestVoteResponse: (core, role, message) => {",
    why: "a late grant of a pre-vote is taken for a vote",
  },
  {
    name: "vote-quorum-one-short",
    file: "src/raft/quorum.ts",
    find: "  const quorum = majorityOf(voters.length);\n  if (granted",
    replace: "  const quorum = Math.max(1, majorityOf(voters.length) - 1);\n  if (granted",
    why: "a candidate wins with one vote less than a majority",
  },
  {
    name: "newer-term-ignored",
    file: "src/raft/step.ts",
    find: "  becomeFollower(core, term, leads ? from : 0);\n  return true;",
    replace: "  if (leads) becomeFollower(core, term, from);\n  return true;",
    why: "a vote of a newer term is given without joining that term",
  },
];

/** What is durable, and who says so too early. */
const DURABILITY: readonly Mistake[] = [
  {
    name: "ack-before-fsync",
    file: "src/raft/core.ts",
    find: "  acknowledgeAppend(to: ReplicaId, index: number): void {\n    this.sendAfterAppend({",
    replace:
      "  acknowledgeAppend(to: ReplicaId, index: number): void {\n    (to === this.id ? this.messagesAfterAppend : (this.messages as StorageResponse[])).push({",
    why: "a follower acknowledges entries that its disk may still lose",
  },
  {
    name: "self-ack-before-persist",
    file: "src/raft/core.ts",
    find: "    this.acknowledgeAppend(this.id, this.log.lastIndex);",
    replace:
      '    this.acknowledgeAppend(this.id, this.log.lastIndex);\n    if (this.role.name === "leader") this.role.progress.get(this.id)?.maybeUpdate(this.log.lastIndex);',
    why: "a leader counts its own copy before it is durable",
  },
  {
    name: "duplicate-append-acked-early",
    file: "src/raft/accept.ts",
    find: "  cureBy(core, message, matched);\n  core.acknowledgeAppend(from, matched);",
    replace:
      '  cureBy(core, message, matched);\n  if (conflict === undefined && entries.length > 0) {\n    const { id, term, damageId } = core;\n    core.send({ kind: "appendEntriesResponse", from: id, to: from, term, index: matched, rejected: false, hintIndex: 0, hintTerm: 0, damageId });\n    return ACCEPTED;\n  }\n  core.acknowledgeAppend(from, matched);',
    why: "the second copy of an append is acknowledged while the first is on its way to the disk",
  },
  {
    name: "stable-by-index-only",
    file: "src/raft/unstable.ts",
    find: "if (index < this.offset || this.term(index) !== term) return;",
    replace: "if (index < this.offset || this.term(index) === undefined) return;",
    why: "the sync of an entry that was replaced vouches for the one in its place",
  },
  {
    name: "stable-across-terms",
    file: "src/raft/raft.ts",
    find: "if (index > 0 && term === core.term) core.log.unstable.stableTo(index, indexTerm);",
    replace: "if (index > 0 && term > 0) core.log.unstable.stableTo(index, indexTerm);",
    why: "the sync of an entry counts that went and came back meanwhile (A-B-A)",
  },
  {
    name: "snapshot-goes-back",
    file: "src/raft/accept.ts",
    find: "  if (index <= log.committed) return false;\n",
    replace: "",
    why: "a snapshot that comes late takes back what was committed since",
  },
  {
    name: "applied-before-stored",
    file: "src/raft/raft-log.ts",
    find: "return unstableToo ? this.committed : Math.min(this.committed, this.unstable.offset - 1);",
    replace: "return this.committed;",
    why: "entries are applied that this replica's own disk may still lose",
  },
];

/** What a majority holds, and what it does not. */
const COMMIT: readonly Mistake[] = [
  {
    name: "commit-of-old-term",
    file: "src/raft/replication.ts",
    find: "if (index <= core.log.committed || !core.log.matches(index, core.term)) return false;",
    replace: "if (index <= core.log.committed) return false;",
    why: "copies of an entry of an old term are counted (figure 8)",
  },
  {
    name: "commit-quorum-one-short",
    file: "src/raft/quorum.ts",
    find: "return acked[voters.length - majorityOf(voters.length)] ?? 0;",
    replace:
      "return acked[Math.min(voters.length - 1, voters.length - majorityOf(voters.length) + 1)] ?? 0;",
    why: "one copy less than a majority commits",
  },
  {
    name: "commit-beyond-match",
    file: "src/raft/replication.ts",
    find: "const commit = Math.min(progress.match, core.log.committed);",
    replace: "const commit = Math.min(progress.next - 1, core.log.committed);",
    why: "a heartbeat commits at a follower what it was only sent",
  },
  {
    name: "matching-suffix-truncated",
    file: "src/raft/accept.ts",
    find: "const conflict = log.findConflict(entries);",
    replace: "const conflict = entries.find(({ index }) => index > log.committed);",
    why: "an old append takes away what followed it",
  },
  {
    name: "previous-term-unchecked",
    file: "src/raft/accept.ts",
    find: "if (!log.matches(previousIndex, previousTerm)) {",
    replace: "if (log.lastIndex < previousIndex) {",
    why: "entries are put after a place that only has the right index",
  },
  {
    name: "ack-of-own-end",
    file: "src/raft/accept.ts",
    find: "  core.acknowledgeAppend(from, matched);",
    replace: "  core.acknowledgeAppend(from, log.lastIndex);",
    why: "a follower acknowledges the end of its log, which its leader may not share",
  },
];

/** Who counts. */
const MEMBERSHIP: readonly Mistake[] = [
  {
    name: "learner-counted-as-voter",
    file: "src/raft/membership.ts",
    find: "this.incoming = idsOf(configuration.voters);",
    replace: "this.incoming = idsOf(configuration.voters, configuration.learners);",
    why: "a learner's copy commits, and its vote elects",
  },
  {
    name: "joint-commit-by-new-half",
    file: "src/raft/quorum.ts",
    find: "return Math.min(majorityCommitted(incoming, ackedIndex), majorityCommitted(outgoing, ackedIndex));",
    replace: "return outgoing.length < 0 ? 0 : majorityCommitted(incoming, ackedIndex);",
    why: "while voters change the new ones commit alone",
  },
  {
    name: "unapplied-configuration-used",
    file: "src/raft/proposals.ts",
    find: "  core.appendOwn(entries);\n",
    replace:
      '  core.appendOwn(entries);\n  for (const entry of entries) {\n    if (entry.kind !== "configuration") continue;\n    const next = changeConfiguration(core.membership.configuration, entry.payload);\n    if (next.kind === "changed") core.membership = new (core.membership.constructor as new (c: unknown) => typeof core.membership)(next.configuration);\n  }\n',
    why: "a leader counts by a change that is only in its log",
  },
  {
    name: "configuration-forgotten-at-restart",
    file: "src/raft/core.ts",
    find: "this.membership = new Membership(initial.configuration);",
    replace:
      "this.membership = new Membership(storage.snapshot()?.configuration ?? initial.configuration);",
    why: "a restart goes back to the configuration of the last snapshot",
  },
  {
    name: "campaign-before-applying",
    file: "src/raft/election.ts",
    find: "  } else if (hasUnappliedChange(core)) {",
    replace: "  } else if (hasUnappliedChange(core) && core.id < 0) {",
    why: "a candidate counts by members that are committed to be others",
  },
];

/** Reads, and replicas that lost something. */
const READS_AND_DAMAGE: readonly Mistake[] = [
  {
    name: "old-term-ack-counted",
    file: "src/raft/step.ts",
    find: "    answerOlderTerm(core, message);\n    return ACCEPTED;",
    replace:
      '    answerOlderTerm(core, message);\n    if (message.kind !== "appendEntriesResponse") return ACCEPTED;',
    why: "an acknowledgement of an earlier leadership counts in this one",
  },
  {
    name: "commit-beyond-append",
    file: "src/raft/accept.ts",
    find: "log.commitTo(Math.min(message.commit, matched));",
    replace: "log.commitTo(Math.min(message.commit, log.lastIndex));",
    why: "a follower commits entries that it has and the leader may not",
  },
  {
    name: "joint-vote-by-new-half",
    file: "src/raft/quorum.ts",
    find: "  const second = majorityVote(outgoing, vote);",
    replace: "  const second = outgoing.length < 0 ? majorityVote(outgoing, vote) : first;",
    why: "while voters change the new ones elect alone",
  },
  {
    name: "two-changes-at-once",
    file: "src/raft/proposals.ts",
    find: 'if (role.pendingConfigurationIndex > core.log.applied) return "unappliedChange";',
    replace: "",
    why: "a second change is proposed while the first is not applied",
  },
  {
    name: "several-voters-in-one-step",
    file: "src/raft/configuration.ts",
    find: '    return enterJoint(configuration, change.transition !== "explicit", change.operations);',
    replace:
      "    const draft = new Draft(configuration);\n    draft.apply(change.operations);\n    if (draft.voters.size > 0) return draft.finish(false);",
    why: "several voters change without a joint configuration",
  },
  {
    name: "read-by-an-older-round",
    file: "src/raft/read-index.ts",
    find: "    const confirmed = this.#waiting.splice(0, count);\n    this.#confirmed += count;",
    replace:
      "    const confirmed = this.#waiting.splice(0, this.#waiting.length);\n    this.#confirmed += confirmed.length;\n    this.#round = this.#confirmed;",
    why: "an answer to a round that began before a read confirms it",
  },
  {
    name: "read-round-reused",
    file: "src/raft/read-index.ts",
    find: "    const confirmed = this.#waiting.splice(0, count);\n    this.#confirmed += count;",
    replace:
      "    const confirmed = this.#waiting.splice(0, count);\n    this.#round = this.#confirmed;",
    why: "a round of reads has the number of an earlier one, whose answers confirm it",
  },
  {
    name: "damaged-replica-votes",
    file: "src/raft/election.ts",
    find: "  if (core.damage !== undefined) return false;\n",
    replace: "",
    why: "a replica that lost its end elects somebody without it",
  },
  {
    name: "vote-before-persist",
    file: "src/raft/election.ts",
    find: 'core.sendAfterAppend(answer("requestVoteResponse", core.id, message.from, message.term, false));',
    replace:
      'core.send(answer("requestVoteResponse", core.id, message.from, message.term, false));',
    why: "a vote leaves before it is durable, and is given again after a crash",
  },
  {
    name: "damaged-acks-count",
    file: "src/raft/progress.ts",
    find: "return this.damageId > 0 ? 0 : this.match;",
    replace: "return this.match;",
    why: "acknowledgements of a damaged replica make a majority",
  },
  {
    name: "damage-cured-at-once",
    file: "src/raft/damage.ts",
    find: "  if (matched < repairIndex || core.log.committed < repairIndex) return;",
    replace: "  if (repairIndex < 0) return;",
    why: "a damaged replica is whole again at the first word of a leader",
  },
  {
    name: "read-without-round",
    file: "src/raft/reads.ts",
    find: 'if (core.settings.reads === "lease") {',
    replace: "if (core.id > 0) {",
    why: "a leader answers reads without asking whether it still leads",
  },
  {
    name: "read-before-first-commit",
    file: "src/raft/reads.ts",
    find: "  if (!core.committedInTerm) role.reads.addEarly(request);\n  else startRead(core, role, request);",
    replace: "  startRead(core, role, request);",
    why: "a new leader answers reads by a commit index that may be old",
  },
  {
    name: "read-quorum-one-short",
    file: "src/raft/read-index.ts",
    find: "    const quorum = jointCommitted(membership.incoming, membership.outgoing, (id) =>\n      id === self ? this.#round : this.#acknowledged.get(id),\n    );",
    replace:
      "    const rounds = membership.incoming.map((id) => (id === self ? this.#round : (this.#acknowledged.get(id) ?? 0)));\n    const quorum = rounds.sort((a, b) => b - a)[Math.max(0, Math.floor(rounds.length / 2) - 1)] ?? 0;",
    why: "one less than a majority confirms that a leader still leads",
  },
  {
    name: "read-index-commits",
    file: "src/raft/follower.ts",
    find: "    core.readStates.push({ readId, index });\n    return ACCEPTED;",
    replace:
      "    core.readStates.push({ readId, index });\n    core.log.commitTo(Math.min(index, core.log.lastIndex));\n    return ACCEPTED;",
    why: "the answer to a read commits what a follower has at that index, whatever it is",
  },
  {
    name: "older-configuration-over-marker",
    file: "src/raft/raft.ts",
    find: "    if (index <= core.configurationIndex) return core.membership.configuration;\n",
    replace: "",
    why: "a change of members that is applied late undoes what a marker said of them",
  },
];

export const CORE_BUGS: readonly Mistake[] = [
  ...VOTES,
  ...DURABILITY,
  ...COMMIT,
  ...MEMBERSHIP,
  ...READS_AND_DAMAGE,
];
