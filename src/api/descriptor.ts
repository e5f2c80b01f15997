import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_cluster_v1_cluster } from "./gen/cluster/v1/cluster_pb.ts";
import { file_log_v1_log } from "./gen/log/v1/log_pb.ts";

/** `log/v1/log.proto`, serialized as google.protobuf.FileDescriptorProto: what reflection shows. */
export const LOG_FILE_DESCRIPTOR: Buffer = Buffer.from(
  toBinary(FileDescriptorProtoSchema, file_log_v1_log.proto),
);

/** The same of `cluster/v1/cluster.proto`. */
export const CLUSTER_FILE_DESCRIPTOR: Buffer = Buffer.from(
  toBinary(FileDescriptorProtoSchema, file_cluster_v1_cluster.proto),
);
