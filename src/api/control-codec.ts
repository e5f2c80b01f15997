/** The messages of `cluster.v1`, for operators. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import * as wire from "./gen/cluster/v1/cluster_pb.ts";
import { decode, encode, safe } from "./messages.ts";

/** How much of the log is kept; 0 means everything. */
export interface RetentionSettings {
  readonly retentionBytes: number;
  readonly retentionMs: number;
}

/** One who takes part in the log. */
export interface ClusterMember {
  readonly name: string;
  readonly replicaId: number;
  readonly role: "voter" | "learner";
  readonly isLeader: boolean;
  readonly rpcAddress: string;
  /** The last index that it is known to have; undefined: nobody knows here. */
  readonly matchedIndex: number | undefined;
  /** How long nothing was heard of it. */
  readonly silentMs: number | undefined;
}

export interface ClusterStatus {
  readonly clusterName: string;
  readonly clusterId: string;
  /** Who says all this. */
  readonly answeredBy: string;
  /** Empty: nobody is known to lead. */
  readonly leader: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly lowest: number;
  readonly next: number;
  readonly retention: RetentionSettings;
  readonly damaged: boolean;
  readonly members: readonly ClusterMember[];
}

/** A message without fields. */
export type Nothing = object;

/** What each method is asked and answers. */
export interface ControlMethods {
  GetStatus: { readonly request: Nothing; readonly response: ClusterStatus };
  /** `to` empty: whoever has caught up. */
  TransferLeadership: {
    readonly request: { readonly to: string };
    readonly response: { readonly leader: string };
  };
  AddMember: {
    readonly request: { readonly name: string };
    readonly response: { readonly member: ClusterMember };
  };
  RemoveMember: {
    readonly request: { readonly name: string; readonly force: boolean };
    readonly response: Nothing;
  };
  SetRetention: {
    readonly request: {
      readonly retentionBytes: number | undefined;
      readonly retentionMs: number | undefined;
    };
    readonly response: RetentionSettings;
  };
  DeleteBefore: {
    readonly request: { readonly offset: number };
    readonly response: { readonly lowest: number };
  };
}
export type ControlMethodName = keyof ControlMethods;

/** The log that a request names, beside what it asks. */
export type Named<T> = T & { readonly log: string };

export interface ControlCodec<Name extends ControlMethodName> {
  readonly encodeRequest: (request: Named<ControlMethods[Name]["request"]>) => Buffer;
  readonly decodeRequest: (bytes: Uint8Array) => Named<ControlMethods[Name]["request"]>;
  readonly encodeResponse: (response: ControlMethods[Name]["response"]) => Buffer;
  readonly decodeResponse: (bytes: Uint8Array) => ControlMethods[Name]["response"];
}

export const CONTROL_CODECS: { readonly [Name in ControlMethodName]: ControlCodec<Name> } = {
  GetStatus: {
    encodeRequest: ({ log }) => encode(wire.GetStatusRequestSchema, { log }),
    decodeRequest: (bytes) => ({ log: decode(wire.GetStatusRequestSchema, bytes).log }),
    encodeResponse: encodeStatus,
    decodeResponse: decodeStatus,
  },
  TransferLeadership: {
    encodeRequest: (request) => encode(wire.TransferLeadershipRequestSchema, request),
    decodeRequest: (bytes) => {
      const { to, log } = decode(wire.TransferLeadershipRequestSchema, bytes);
      return { to, log };
    },
    encodeResponse: (response) => encode(wire.TransferLeadershipResponseSchema, response),
    decodeResponse: (bytes) => ({
      leader: decode(wire.TransferLeadershipResponseSchema, bytes).leader,
    }),
  },
  AddMember: {
    encodeRequest: (request) => encode(wire.AddMemberRequestSchema, request),
    decodeRequest: (bytes) => {
      const { name, log } = decode(wire.AddMemberRequestSchema, bytes);
      return { name, log };
    },
    encodeResponse: ({ member }) =>
      encode(wire.AddMemberResponseSchema, { member: memberToWire(member) }),
    decodeResponse: (bytes) => ({
      member: memberFromWire(decode(wire.AddMemberResponseSchema, bytes).member),
    }),
  },
  RemoveMember: {
    encodeRequest: (request) => encode(wire.RemoveMemberRequestSchema, request),
    decodeRequest: (bytes) => {
      const { name, force, log } = decode(wire.RemoveMemberRequestSchema, bytes);
      return { name, force, log };
    },
    encodeResponse: () => encode(wire.RemoveMemberResponseSchema, {}),
    decodeResponse: (bytes) => {
      decode(wire.RemoveMemberResponseSchema, bytes);
      return {};
    },
  },
  SetRetention: {
    encodeRequest: ({ retentionBytes, retentionMs, log }) =>
      encode(wire.SetRetentionRequestSchema, {
        log,
        ...(retentionBytes !== undefined && { retentionBytes: BigInt(retentionBytes) }),
        ...(retentionMs !== undefined && { retentionMs: BigInt(retentionMs) }),
      }),
    decodeRequest: (bytes) => {
      const { retentionBytes, retentionMs, log } = decode(wire.SetRetentionRequestSchema, bytes);
      return {
        retentionBytes: optional(retentionBytes, "retention_bytes"),
        retentionMs: optional(retentionMs, "retention_ms"),
        log,
      };
    },
    encodeResponse: (response) =>
      encode(wire.SetRetentionResponseSchema, { retention: retentionToWire(response) }),
    decodeResponse: (bytes) =>
      retentionFromWire(decode(wire.SetRetentionResponseSchema, bytes).retention),
  },
  DeleteBefore: {
    encodeRequest: ({ offset, log }) =>
      encode(wire.DeleteBeforeRequestSchema, { offset: BigInt(offset), log }),
    decodeRequest: (bytes) => {
      const { offset, log } = decode(wire.DeleteBeforeRequestSchema, bytes);
      return { offset: safe(offset, "offset"), log };
    },
    encodeResponse: ({ lowest }) =>
      encode(wire.DeleteBeforeResponseSchema, { lowest: BigInt(lowest) }),
    decodeResponse: (bytes) => ({
      lowest: safe(decode(wire.DeleteBeforeResponseSchema, bytes).lowest, "lowest"),
    }),
  },
};

function encodeStatus(status: ClusterStatus): Buffer {
  const { clusterName, clusterId, answeredBy, leader, damaged } = status;
  return encode(wire.GetStatusResponseSchema, {
    ...{ clusterName, clusterId, answeredBy, leader, damaged },
    term: BigInt(status.term),
    commitIndex: BigInt(status.commitIndex),
    lastIndex: BigInt(status.lastIndex),
    lowest: BigInt(status.lowest),
    next: BigInt(status.next),
    retention: retentionToWire(status.retention),
    members: status.members.map(memberToWire),
  });
}

function decodeStatus(bytes: Uint8Array): ClusterStatus {
  const status = decode(wire.GetStatusResponseSchema, bytes);
  const { clusterName, clusterId, answeredBy, leader, damaged } = status;
  return {
    ...{ clusterName, clusterId, answeredBy, leader, damaged },
    term: safe(status.term, "term"),
    commitIndex: safe(status.commitIndex, "commit_index"),
    lastIndex: safe(status.lastIndex, "last_index"),
    lowest: safe(status.lowest, "lowest"),
    next: safe(status.next, "next"),
    retention: retentionFromWire(status.retention),
    members: status.members.map(memberFromWire),
  };
}

function memberToWire(member: ClusterMember): MessageInitShape<typeof wire.MemberSchema> {
  const { name, replicaId, role, isLeader, rpcAddress, matchedIndex, silentMs } = member;
  return {
    ...{ name, isLeader, rpcAddr: rpcAddress },
    replicaId: BigInt(replicaId),
    role: role === "voter" ? wire.MemberRole.VOTER : wire.MemberRole.LEARNER,
    ...(matchedIndex !== undefined && { matchedIndex: BigInt(matchedIndex) }),
    ...(silentMs !== undefined && { silentMs: BigInt(Math.floor(silentMs)) }),
  };
}

function memberFromWire(member: wire.Member | undefined): ClusterMember {
  const { name = "", replicaId = 0n, role, isLeader = false, rpcAddr = "" } = member ?? {};
  return {
    ...{ name, isLeader, rpcAddress: rpcAddr },
    replicaId: safe(replicaId, "replica_id"),
    role: role === wire.MemberRole.LEARNER ? "learner" : "voter",
    matchedIndex: optional(member?.matchedIndex, "matched_index"),
    silentMs: optional(member?.silentMs, "silent_ms"),
  };
}

function retentionToWire({ retentionBytes, retentionMs }: RetentionSettings) {
  return { retentionBytes: BigInt(retentionBytes), retentionMs: BigInt(retentionMs) };
}

function retentionFromWire(retention: wire.Retention | undefined): RetentionSettings {
  const { retentionBytes = 0n, retentionMs = 0n } = retention ?? {};
  return {
    retentionBytes: safe(retentionBytes, "retention_bytes"),
    retentionMs: safe(retentionMs, "retention_ms"),
  };
}

function optional(value: bigint | undefined, name: string): number | undefined {
  return value === undefined ? undefined : safe(value, name);
}
