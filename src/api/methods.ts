import type { MethodDefinition } from "@grpc/grpc-js";
import type { ControlMethodName } from "./control-codec.ts";

export const LOG_SERVICE = "log.v1.Log";
export const CLUSTER_SERVICE = "cluster.v1.Cluster";

export type LogMethodName =
  | "Produce"
  | "Consume"
  | "ConsumeStream"
  | "ProduceStream"
  | "GetServers"
  | "ProduceBatches"
  | "ConsumeBatches"
  | "CreateProducer"
  | "GetOffsets";

/**
 * A method that carries bytes. Whoever calls or answers encodes by himself (`codec` below): so the
 * server never decodes what it only passes on, one encoded record can be sent to many readers, and
 * a malformed request is answered by our error instead of the library's.
 */
export type LogMethod = MethodDefinition<Buffer, Buffer>;

const asItIs = (bytes: Buffer): Buffer => bytes;

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
  service: string = LOG_SERVICE,
): LogMethod {
  return {
    path: `/${service}/${name}`,
    originalName: name,
    requestStream,
    responseStream,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
}

/** The methods of `log.v1.Log`, for `server.addService` and for `client.makeUnaryRequest` alike. */
export const LOG_METHODS: Readonly<Record<LogMethodName, LogMethod>> = Object.freeze({
  Produce: method("Produce", false, false),
  Consume: method("Consume", false, false),
  ConsumeStream: method("ConsumeStream", false, true),
  ProduceStream: method("ProduceStream", true, true),
  GetServers: method("GetServers", false, false),
  ProduceBatches: method("ProduceBatches", true, true),
  ConsumeBatches: method("ConsumeBatches", false, true),
  CreateProducer: method("CreateProducer", false, false),
  GetOffsets: method("GetOffsets", false, false),
});

const control = (name: ControlMethodName): LogMethod => method(name, false, false, CLUSTER_SERVICE);

/** The same of `cluster.v1.Cluster`. */
export const CLUSTER_METHODS: Readonly<Record<ControlMethodName, LogMethod>> = Object.freeze({
  GetStatus: control("GetStatus"),
  TransferLeadership: control("TransferLeadership"),
  AddMember: control("AddMember"),
  RemoveMember: control("RemoveMember"),
  SetRetention: control("SetRetention"),
  DeleteBefore: control("DeleteBefore"),
});

/** Of both services; no name is in both. */
export const METHODS: Readonly<Record<LogMethodName | ControlMethodName, LogMethod>> =
  Object.freeze({ ...LOG_METHODS, ...CLUSTER_METHODS });
