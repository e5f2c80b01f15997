import { CONTROL_CODECS } from "../api/index.ts";
import type { ControlMethodName, ControlMethods } from "../api/index.ts";
import { limits } from "../base/index.ts";
import type { ConnectOptions } from "./client.ts";
import { Connection } from "./connection.ts";
import type { CallOptions } from "./connection.ts";

/** What an operator asks of a cluster, by the names of `cluster/v1/cluster.proto`. Nothing is repeated. */
export class ClusterClient implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #log: string;
  readonly #timeoutMs: number;

  /** Opens nothing yet; any server of the cluster will do. */
  constructor(address: string, options: ConnectOptions = {}) {
    this.#connection = new Connection(address, options);
    this.#log = options.log ?? "";
    this.#timeoutMs = options.timeoutMs ?? limits.callTimeoutMs;
  }

  ask<Name extends ControlMethodName>(
    name: Name,
    request: ControlMethods[Name]["request"],
    { signal }: CallOptions = {},
  ): Promise<ControlMethods[Name]["response"]> {
    const { encodeRequest, decodeResponse } = CONTROL_CODECS[name];
    const bytes = encodeRequest({ ...request, log: this.#log });
    const timeoutMs = this.#timeoutMs;
    return this.#connection.unary(name, bytes, decodeResponse, { signal, timeoutMs });
  }

  close(): void {
    this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }
}
