import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import type {
  CallOptions,
  ChannelOptions,
  ClientDuplexStream,
  ClientReadableStream,
} from "@grpc/grpc-js";
import {
  encodeConsumeRequest,
  encodeProduceRequest,
  fromServiceError,
  LOG_METHODS,
  METHODS,
} from "../../src/api/index.ts";
import type {
  ConsumeRequest,
  ControlMethodName,
  LogMethodName,
  ProduceRequest,
} from "../../src/api/index.ts";
import type { ProglogError } from "../../src/base/index.ts";
import { GrpcServer, Tails } from "../../src/server/index.ts";
import type { CommitLog, GrpcServerOptions } from "../../src/server/index.ts";
import { startTelemetry } from "../../src/telemetry/index.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";

/** Short words for tests. */
export const bytes = (text: string): Buffer => Buffer.from(text);
export const text = (of: Uint8Array | null | undefined): string => Buffer.from(of ?? []).toString();

export function produceRequest(value: string, rest: Partial<ProduceRequest> = {}): Buffer {
  const plain = { log: "", expectedOffset: undefined, stamp: undefined };
  return encodeProduceRequest({ record: { value: bytes(value) }, ...plain, ...rest });
}

export function consumeRequest(offset: number, rest: Partial<ConsumeRequest> = {}): Buffer {
  return encodeConsumeRequest({
    ...{ log: "", linearizable: false, maxRecords: 0, maxBytes: 0, ...rest },
    offset,
    minOffset: rest.minOffset === undefined ? undefined : Number(rest.minOffset),
  });
}

/** Of `npm test -- --debug-telemetry`, for servers that are less than an agent. */
function debugTelemetry(): Telemetry | undefined {
  const debugDirectory = process.env["PROGLOG_DEBUG_TELEMETRY"] ?? "";
  if (debugDirectory === "") return undefined;
  return startTelemetry({
    logLevel: "info",
    logFormat: "json",
    accessLog: "off",
    measures: true,
    traceSampling: 1,
    debugDirectory,
    build: {},
    instance: "test",
  });
}

/** The gRPC services over a log, on a loopback port. */
export class LogServer implements AsyncDisposable {
  readonly tails: Tails;
  readonly grpc: GrpcServer;
  readonly sockets = new Set<Socket>();
  readonly #listener = createServer((socket) => {
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    this.grpc.accept(socket);
  });
  readonly #clients: LogClient[] = [];
  readonly #telemetry = debugTelemetry();

  private constructor(log: CommitLog, options: Omit<GrpcServerOptions, "tails">) {
    this.tails = new Tails(log);
    this.grpc = new GrpcServer({ calls: this.#telemetry?.observer, ...options, tails: this.tails });
  }

  static async start(
    log: CommitLog,
    options: Omit<GrpcServerOptions, "tails"> = {},
  ): Promise<LogServer> {
    const server = new LogServer(log, options);
    server.#listener.listen(0, "127.0.0.1");
    await once(server.#listener, "listening");
    return server;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  client(options: ChannelOptions = {}): LogClient {
    const client = new LogClient(`127.0.0.1:${this.port}`, options);
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.grpc.close();
    for (const socket of this.sockets) socket.destroy();
    this.#listener.close();
    await this.#telemetry?.close();
    await once(this.#listener, "close");
  }
}

/** A client that sends and receives bytes; errors are the server's, restored. */
export class LogClient {
  readonly grpc: Client;

  constructor(address: string, options: ChannelOptions = {}) {
    this.grpc = new Client(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      ...options,
    });
  }

  close(): void {
    this.grpc.close();
  }

  unary(
    name: LogMethodName | ControlMethodName,
    request: Buffer,
    options: CallOptions = {},
  ): Promise<Buffer> {
    const { path, requestSerialize, responseDeserialize } = METHODS[name];
    return new Promise((resolve, reject) => {
      this.grpc.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        options,
        (error, reply) => {
          if (error !== null) reject(fromServiceError(error));
          else if (reply !== undefined) resolve(reply);
        },
      );
    });
  }

  serverStream(
    name: LogMethodName,
    request: Buffer,
    options: CallOptions = {},
  ): ClientReadableStream<Buffer> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    return this.grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      options,
    );
  }

  bidirectional(
    name: LogMethodName,
    options: CallOptions = {},
  ): ClientDuplexStream<Buffer, Buffer> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    return this.grpc.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, options);
  }
}

/** All messages of a stream, and how it ended. */
export async function collect(
  stream: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
): Promise<{ messages: Buffer[]; error: ProglogError | undefined }> {
  const messages: Buffer[] = [];
  stream.on("data", (message: Buffer) => messages.push(message));
  const error = await new Promise<ProglogError | undefined>((resolve) => {
    stream.on("end", () => resolve(undefined));
    stream.on("error", (caught) => resolve(fromServiceError(caught)));
    stream.resume();
  });
  return { messages, error };
}

/** The next `count` messages; rejects when the stream ends before. */
export function take(
  stream: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  count: number,
): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const onData = (message: Buffer): void => {
      messages.push(message);
      if (messages.length < count) return;
      stream.pause();
      stream.off("data", onData);
      stream.off("error", onError);
      resolve(messages);
    };
    const onError = (caught: unknown): void => reject(fromServiceError(caught));
    stream.on("data", onData);
    stream.on("error", onError);
    stream.on("end", () => reject(new Error("the stream has ended")));
    stream.resume();
  });
}
