/** The commands of `quorum/*.txt`: pure functions, compared byte by byte, bar charts included. */
import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type VoteResult,
} from "../../src/raft/quorum.ts";
import type { Directive } from "./datadriven.ts";

interface Case {
  readonly incoming: number[];
  readonly outgoing: number[];
  readonly isJoint: boolean;
  readonly values: string[];
}

function parseCase({ args }: Directive): Case {
  const list = (key: string): string[] =>
    args.filter((arg) => arg.key === key).flatMap(({ values }) => [...values]);
  const joint = list("cfgj");
  return {
    incoming: list("cfg").map(Number),
    outgoing: joint.filter((value) => value !== "zero").map(Number),
    isJoint: joint.length > 0,
    values: [...list("idx"), ...list("votes")],
  };
}

export function runQuorum(directive: Directive): string {
  const { incoming, outgoing, isJoint, values } = parseCase(directive);
  const voters = [...new Set([...incoming, ...outgoing])];
  if (voters.length !== values.length) {
    const known = voters.sort((a, b) => a - b).join(" ");
    const given = values.map((value) => VOTES[value] ?? value).join(" ");
    return `error: mismatched input (explicit or _) for voters [${known}]: [${given}]`;
  }
  const given = new Map(voters.map((id, at) => [id, values[at] ?? "_"]));
  if (directive.command === "vote") return runVote(incoming, outgoing, isJoint, given);
  if (directive.command === "committed") return runCommitted(incoming, outgoing, isJoint, given);
  throw new Error(`unknown command ${directive.command}`);
}

const VOTES: Readonly<Record<string, string>> = { y: "2", n: "1", _: "0" };
const RESULTS: Readonly<Record<VoteResult, string>> = {
  pending: "VotePending",
  lost: "VoteLost",
  won: "VoteWon",
};

function runVote(
  incoming: readonly number[],
  outgoing: readonly number[],
  isJoint: boolean,
  given: ReadonlyMap<number, string>,
): string {
  const vote = (id: number): boolean | undefined =>
    given.get(id) === "_" ? undefined : given.get(id) === "y";
  const result = isJoint ? jointVote(incoming, outgoing, vote) : majorityVote(incoming, vote);
  const swapped = isJoint ? jointVote(outgoing, incoming, vote) : jointVote(incoming, [], vote);
  return RESULTS[result] + (swapped === result ? "" : `\n${RESULTS[swapped]} <-- by symmetry`);
}

function runCommitted(
  incoming: readonly number[],
  outgoing: readonly number[],
  isJoint: boolean,
  given: ReadonlyMap<number, string>,
): string {
  const acked = (id: number): number | undefined =>
    given.get(id) === "_" ? undefined : Number(given.get(id));
  const print = (index: number): string => (index === Infinity ? "∞" : String(index));
  const lines = [chart([...new Set([...incoming, ...outgoing])], acked)];
  const result = isJoint
    ? jointCommitted(incoming, outgoing, acked)
    : majorityCommitted(incoming, acked);
  const others = isJoint
    ? [jointCommitted(outgoing, incoming, acked)]
    : [jointCommitted(incoming, [], acked), jointCommitted(incoming, incoming, acked)];
  for (const other of others) if (other !== result) lines.push(`${print(other)} <-- by symmetry`);
  return [...lines, print(result)].join("\n").replace(`${EMPTY}\n`, EMPTY);
}

/** Nothing ends this line. */
const EMPTY = "<empty majority quorum>";

/** One bar per voter, as long as there are voters strictly behind it. */
function chart(voters: readonly number[], acked: (id: number) => number | undefined): string {
  if (voters.length === 0) return EMPTY;
  const count = voters.length;
  const sorted = [...voters].sort((a, b) => a - b);
  const lines = sorted.map((id) => {
    const index = acked(id);
    const behind = sorted.filter((other) => (acked(other) ?? 0) < (index ?? 0)).length;
    const bar =
      index === undefined ? `?${" ".repeat(count)}` : `${"x".repeat(behind)}>`.padEnd(count + 1);
    return `${bar} ${String(index ?? 0).padStart(5)}    (id=${id.toString(16)})`;
  });
  return [`${" ".repeat(count)}    idx`, ...lines].join("\n");
}
