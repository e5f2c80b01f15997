import type { handleUnaryCall } from "@grpc/grpc-js";
import { CONTROL_CODECS } from "../api/index.ts";
import type { ControlCodec, ControlMethodName, ControlMethods } from "../api/index.ts";
import type { Observer, ProglogError } from "../base/index.ts";
import { checkLogName, statusWith, unary } from "./calls.ts";
import type { StatusOf } from "./calls.ts";

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

/** The methods of `cluster.v1.Cluster` over one cluster. */
export class ClusterService {
  readonly #control: ClusterControl;
  readonly #log: { readonly name: string };
  readonly #statusOf: StatusOf;
  #stopped: ProglogError | undefined;

  constructor(control: ClusterControl, log: { readonly name: string }, observer: Observer) {
    this.#control = control;
    this.#log = log;
    this.#statusOf = statusWith(observer);
  }

  /** What `server.addService` takes beside `CLUSTER_METHODS`. */
  handlers(): Handlers {
    return {
      GetStatus: this.#answering("GetStatus", CONTROL_CODECS.GetStatus),
      TransferLeadership: this.#answering("TransferLeadership", CONTROL_CODECS.TransferLeadership),
      AddMember: this.#answering("AddMember", CONTROL_CODECS.AddMember),
      RemoveMember: this.#answering("RemoveMember", CONTROL_CODECS.RemoveMember),
      SetRetention: this.#answering("SetRetention", CONTROL_CODECS.SetRetention),
      DeleteBefore: this.#answering("DeleteBefore", CONTROL_CODECS.DeleteBefore),
    };
  }

  /** Begins no more changes; who only looks is still answered. */
  stop(error: ProglogError): void {
    this.#stopped = error;
  }

  #answering<Name extends ControlMethodName>(
    name: Name,
    { decodeRequest, encodeResponse }: ControlCodec<Name>,
  ): handleUnaryCall<Buffer, Buffer> {
    return unary(this.#statusOf, async (bytes) => {
      if (this.#stopped !== undefined && name !== "GetStatus") throw this.#stopped;
      const request = decodeRequest(bytes);
      checkLogName(this.#log, request.log);
      return encodeResponse(await this.#control.ask(name, request));
    });
  }
}
