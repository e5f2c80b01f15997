import { ProglogError, putU32, randomId } from "../base/index.ts";
import type { Random } from "../base/index.ts";

/** The format of a data directory as a whole. A build reads what it knows and refuses the rest. */
export const FORMAT_VERSION = 1;

/**
 * `meta.json`: whose data this is. Made once with the directory, and never changed; only one that
 * belongs to no cluster yet comes into one, once.
 */
export interface Meta {
  readonly formatVersion: number;
  /** The operator's word. */
  readonly clusterName: string;
  /** 128 random bits, as 32 hexadecimal digits. Empty: it waits to be taken into a cluster. */
  readonly clusterId: string;
  /** The replica's name, stable over restarts. */
  readonly name: string;
  /** 53 random bits: Raft's id, never used again. */
  readonly replicaId: number;
}

const CLUSTER_ID = /^([0-9a-f]{32})?$/;

/** The id of a cluster that is made now. */
export function newClusterId(random: Random): string {
  const id = new Uint8Array(16);
  for (let at = 0; at < id.length; at += 4) putU32(id, at, random.u32());
  return Buffer.from(id).toString("hex");
}

export function newMeta(
  { clusterName, clusterId, name }: Pick<Meta, "clusterName" | "clusterId" | "name">,
  random: Random,
): Meta {
  const replicaId = randomId(random);
  return { formatVersion: FORMAT_VERSION, clusterName, clusterId, name, replicaId };
}

export function encodeMeta(meta: Meta): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(meta, null, 2)}\n`);
}

/** The inverse; throws `UNSUPPORTED_FORMAT`. `path` is for the message. */
export function decodeMeta(bytes: Uint8Array, path: string): Meta {
  const record = recordFrom(bytes, path);
  const { formatVersion, clusterName, clusterId, name, replicaId } = record;
  if (!Number.isSafeInteger(formatVersion)) throw unsupported(path, "it has no formatVersion");
  if (formatVersion !== FORMAT_VERSION) {
    const found = `it has format ${String(formatVersion)}`;
    throw unsupported(path, `${found}, and this version of proglog knows ${FORMAT_VERSION} only`);
  }
  if (typeof clusterName !== "string" || clusterName === "") throw malformed(path, "clusterName");
  if (typeof name !== "string" || name === "") throw malformed(path, "name");
  if (typeof clusterId !== "string" || !CLUSTER_ID.test(clusterId)) {
    throw malformed(path, "clusterId");
  }
  if (typeof replicaId !== "number" || !Number.isSafeInteger(replicaId) || replicaId <= 0) {
    throw malformed(path, "replicaId");
  }
  return { formatVersion, clusterName, clusterId, name, replicaId };
}

function recordFrom(bytes: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unsupported(path, "it is not JSON", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unsupported(path, "it is not a JSON object");
  }
  return value as Record<string, unknown>;
}

function malformed(path: string, field: string): ProglogError {
  return unsupported(path, `its ${field} is missing or has an unknown form`);
}

export function unsupported(path: string, reason: string, cause?: unknown): ProglogError {
  return new ProglogError("UNSUPPORTED_FORMAT", `${path} is not one of proglog's: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path },
  });
}
