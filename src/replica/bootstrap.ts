import { limits, ProglogError } from "../base/index.ts";
import type { Configuration, ConfigurationMember } from "../base/index.ts";

/** A cluster that is to be made: its id, and who takes part in it from the beginning. */
export interface Proposal {
  /** 128 random bits, as 32 hexadecimal digits; they are the proposal's name too. */
  readonly clusterId: string;
  readonly proposer: ConfigurationMember;
  /** The proposer among them, by name. */
  readonly members: readonly ConfigurationMember[];
}

/**
 * What a server has said about a cluster that is to be made, and is bound by. `proposed`: it asked
 * others and has not decided. `granted`: it said yes to somebody else, and waits for what comes of it.
 */
export type BootstrapState =
  | { readonly kind: "idle" }
  | { readonly kind: "proposed" | "granted" | "committed"; readonly proposal: Proposal };

export const IDLE: BootstrapState = { kind: "idle" };

export type Outcome = "committed" | "aborted" | "open";

/** Another server that waits, as it says itself. */
export interface Waiting {
  readonly member: ConfigurationMember;
  /** For how many servers it waits; 0: for none, it is to be added. */
  readonly expect: number;
  /** It belongs to a cluster, or has a log. */
  readonly hasState: boolean;
}

/**
 * What is to be done about those that wait: make a cluster of them, let another one make it, or wait,
 * and why.
 */
export type BootstrapPlan =
  | { readonly kind: "propose" | "follow"; readonly members: readonly ConfigurationMember[] }
  | { readonly kind: "wait"; readonly reason: string };

/**
 * Whether the servers that are seen, this one among them, are to become a cluster. The smallest names
 * make it; if any of those who are seen has state, there is a cluster already, and it lets others in.
 */
export function planBootstrap(own: Waiting, others: readonly Waiting[]): BootstrapPlan {
  const there = others.find(({ hasState }) => hasState);
  if (there !== undefined) return wait(`${there.member.name} has a cluster, and lets others in`);
  const { expect } = own;
  const other = others.find((each) => each.expect !== 0 && each.expect !== expect);
  if (other !== undefined) {
    return wait(`${other.member.name} expects ${other.expect} servers, and this one ${expect}`);
  }
  const all = [own, ...others.filter((each) => each.expect === expect)].map(({ member }) => member);
  const names = new Set(all.map(({ name }) => name));
  if (names.size < all.length) return wait("two servers have the same name");
  if (all.length < expect) return wait(`${all.length} of ${expect} servers are there`);
  const members = all.toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, expect);
  const isFirst = members[0]?.replicaId === own.member.replicaId;
  return { kind: isFirst ? "propose" : "follow", members };
}

function wait(reason: string): BootstrapPlan {
  return { kind: "wait", reason };
}

/** Everybody votes from the beginning; the same bytes on every server. */
export function initialConfiguration({ members }: Proposal): Configuration {
  const voters = members.map(({ replicaId, name }) => ({ replicaId, name }));
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
}

/**
 * What a server says to a proposal, and what it is bound by then; the state has to be durable before
 * the answer leaves. A server says yes to one proposal, until it hears that nothing came of it.
 */
export function grant(
  state: BootstrapState,
  proposal: Proposal,
  own: { readonly replicaId: number; readonly hasState: boolean },
): { readonly granted: boolean; readonly state: BootstrapState } {
  const isMeant = proposal.members.some(({ replicaId }) => replicaId === own.replicaId);
  // Asked once more: the answer was lost.
  const isSame = state.kind === "granted" && state.proposal.clusterId === proposal.clusterId;
  if (isSame) return { granted: true, state };
  if (!isMeant || own.hasState || state.kind !== "idle") return { granted: false, state };
  return { granted: true, state: { kind: "granted", proposal } };
}

/** What a server that said yes is bound by once it has heard what came of it. */
export function decide(state: BootstrapState, clusterId: string, outcome: Outcome): BootstrapState {
  if (state.kind !== "granted" || state.proposal.clusterId !== clusterId) return state;
  if (outcome === "open") return state;
  return outcome === "aborted" ? IDLE : { kind: "committed", proposal: state.proposal };
}

/** What the proposer says when it is asked. One that it does not know came to nothing. */
export function outcomeOf(state: BootstrapState, clusterId: string): Outcome {
  if (state.kind === "idle" || state.proposal.clusterId !== clusterId) return "aborted";
  if (state.kind === "committed") return "committed";
  return state.kind === "proposed" ? "open" : "aborted";
}

/** `bootstrap.json`, and what is said on links. */
export function encodeBootstrap(value: BootstrapState | Proposal): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeBootstrapState(bytes: Uint8Array): BootstrapState {
  const { kind, proposal } = objectOf(bytes);
  if (kind === "idle") return IDLE;
  if (kind !== "proposed" && kind !== "granted" && kind !== "committed") throw malformed();
  return { kind, proposal: proposalOf(proposal) };
}

/** Throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeProposal(bytes: Uint8Array): Proposal {
  return proposalOf(objectOf(bytes));
}

function proposalOf(value: unknown): Proposal {
  const { clusterId, proposer, members } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof clusterId !== "string" || !/^[0-9a-f]{32}$/.test(clusterId)) throw malformed();
  if (!Array.isArray(members) || members.length > limits.raftMembersMax) throw malformed();
  return { clusterId, proposer: memberOf(proposer), members: members.map(memberOf) };
}

function memberOf(value: unknown): ConfigurationMember {
  const { replicaId, name } = (value ?? {}) as Partial<Record<string, unknown>>;
  const isId = typeof replicaId === "number" && Number.isSafeInteger(replicaId) && replicaId > 0;
  if (!isId || typeof name !== "string" || name === "") throw malformed();
  return { replicaId, name };
}

function objectOf(bytes: Uint8Array): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below.
  }
  throw malformed();
}

function malformed(): ProglogError {
  return new ProglogError("UNSUPPORTED_FORMAT", "a proposal of a cluster has an unknown shape");
}
