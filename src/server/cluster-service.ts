import type { handleUnaryCall } from "@grpc/grpc-js";
import { CONTROL_CODECS } from "../api/index.ts";
import type { ControlCodec, ControlMethodName, ControlMethods } from "../api/index.ts";
import type { Observer } from "../base/index.ts";
import { checkLogName, statusWith, unary } from "./calls.ts";

/**
 * What operators ask of a cluster. Implemented by the agent; whether the caller may is asked before.
 * Whatever changes something rejects with `NOT_LEADER` when nobody could be found who may decide it.
 */
export interface ClusterControl {
  ask<Name extends ControlMethodName>(
    name: Name,
    request: ControlMethods[Name]["request"],
  ): Promise<ControlMethods[Name]["response"]>;
}

type Handlers = Readonly<Record<ControlMethodName, handleUnaryCall<Buffer, Buffer>>>;

/** What `server.addService` takes beside `CLUSTER_METHODS`. */
export function clusterHandlers(
  control: ClusterControl,
  log: { readonly name: string },
  observer: Observer,
): Handlers {
  const statusOf = statusWith(observer);
  const answering = <Name extends ControlMethodName>(
    name: Name,
    { decodeRequest, encodeResponse }: ControlCodec<Name>,
  ): handleUnaryCall<Buffer, Buffer> =>
    unary(statusOf, async (bytes) => {
      const request = decodeRequest(bytes);
      checkLogName(log, request.log);
      return encodeResponse(await control.ask(name, request));
    });
  return {
    GetStatus: answering("GetStatus", CONTROL_CODECS.GetStatus),
    TransferLeadership: answering("TransferLeadership", CONTROL_CODECS.TransferLeadership),
    AddMember: answering("AddMember", CONTROL_CODECS.AddMember),
    RemoveMember: answering("RemoveMember", CONTROL_CODECS.RemoveMember),
    SetRetention: answering("SetRetention", CONTROL_CODECS.SetRetention),
    DeleteBefore: answering("DeleteBefore", CONTROL_CODECS.DeleteBefore),
  };
}
