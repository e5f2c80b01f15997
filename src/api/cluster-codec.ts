/**
 * The messages that are rare: through the generated code, with offsets as numbers at the border.
 */
import type { ProducerIdentity } from "../base/index.ts";
import {
  CreateProducerRequestSchema,
  CreateProducerResponseSchema,
  GetOffsetsRequestSchema,
  GetOffsetsResponseSchema,
  GetServersRequestSchema,
  GetServersResponseSchema,
  Role,
} from "./gen/log/v1/log_pb.ts";
import { decode, encode, safe } from "./messages.ts";

export interface CreateProducerRequest {
  readonly name: string;
  readonly log: string;
}

export interface GetOffsetsRequest {
  readonly timestampMs: number | undefined;
  readonly log: string;
}

export interface Offsets {
  /** The first offset that can still be read. */
  readonly lowest: number;
  /** One past the highest committed offset. */
  readonly next: number;
  /** The first offset appended at or after the time asked for, if there is one. */
  readonly atTimestamp: number | undefined;
}

export interface ServerListing {
  readonly id: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly isLeader: boolean;
  readonly role: "voter" | "learner";
  /** One past the highest committed offset that it has; undefined where who was asked cannot tell. */
  readonly highWatermark: number | undefined;
  readonly fsyncRelaxed: boolean;
}

export interface ServerListings {
  readonly clusterId: string;
  readonly term: number;
  readonly servers: readonly ServerListing[];
}

export function encodeCreateProducerRequest(request: CreateProducerRequest): Buffer {
  return encode(CreateProducerRequestSchema, { name: request.name, log: request.log });
}

export function decodeCreateProducerRequest(bytes: Uint8Array): CreateProducerRequest {
  const { name, log } = decode(CreateProducerRequestSchema, bytes);
  return { name, log };
}

export function encodeCreateProducerResponse(identity: ProducerIdentity): Buffer {
  return encode(CreateProducerResponseSchema, {
    id: BigInt(identity.id),
    epoch: identity.epoch,
  });
}

export function decodeCreateProducerResponse(bytes: Uint8Array): ProducerIdentity {
  const { id, epoch } = decode(CreateProducerResponseSchema, bytes);
  return { id: safe(id, "id"), epoch };
}

export function encodeGetOffsetsRequest(request: GetOffsetsRequest): Buffer {
  const { timestampMs, log } = request;
  return encode(GetOffsetsRequestSchema, {
    log,
    ...(timestampMs === undefined ? {} : { timestampMs: BigInt(timestampMs) }),
  });
}

export function decodeGetOffsetsRequest(bytes: Uint8Array): GetOffsetsRequest {
  const { timestampMs, log } = decode(GetOffsetsRequestSchema, bytes);
  return {
    timestampMs: timestampMs === undefined ? undefined : safe(timestampMs, "timestamp_ms"),
    log,
  };
}

export function encodeGetOffsetsResponse(offsets: Offsets): Buffer {
  const { lowest, next, atTimestamp } = offsets;
  return encode(GetOffsetsResponseSchema, {
    lowest: BigInt(lowest),
    next: BigInt(next),
    ...(atTimestamp === undefined ? {} : { atTimestamp: BigInt(atTimestamp) }),
  });
}

export function decodeGetOffsetsResponse(bytes: Uint8Array): Offsets {
  const { lowest, next, atTimestamp } = decode(GetOffsetsResponseSchema, bytes);
  return {
    lowest: safe(lowest, "lowest"),
    next: safe(next, "next"),
    atTimestamp: atTimestamp === undefined ? undefined : safe(atTimestamp, "at_timestamp"),
  };
}

export function encodeGetServersRequest(): Buffer {
  return encode(GetServersRequestSchema, {});
}

/** An empty message; whatever it holds besides is not known here. */
export function decodeGetServersRequest(bytes: Uint8Array): void {
  decode(GetServersRequestSchema, bytes);
}

export function encodeGetServersResponse(listings: ServerListings): Buffer {
  return encode(GetServersResponseSchema, {
    clusterId: listings.clusterId,
    term: BigInt(listings.term),
    servers: listings.servers.map((server) => ({
      id: server.id,
      rpcAddr: server.rpcAddress,
      httpAddr: server.httpAddress,
      isLeader: server.isLeader,
      role: server.role === "learner" ? Role.LEARNER : Role.VOTER,
      ...(server.highWatermark === undefined
        ? {}
        : { highWatermark: BigInt(server.highWatermark) }),
      fsyncRelaxed: server.fsyncRelaxed,
    })),
  });
}

export function decodeGetServersResponse(bytes: Uint8Array): ServerListings {
  const { clusterId, term, servers } = decode(GetServersResponseSchema, bytes);
  return {
    clusterId,
    term: safe(term, "term"),
    servers: servers.map((server) => ({
      id: server.id,
      rpcAddress: server.rpcAddr,
      httpAddress: server.httpAddr,
      isLeader: server.isLeader,
      role: server.role === Role.LEARNER ? "learner" : "voter",
      highWatermark:
        server.highWatermark === undefined
          ? undefined
          : safe(server.highWatermark, "high_watermark"),
      fsyncRelaxed: server.fsyncRelaxed,
    })),
  };
}
