import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { ClientDuplexStream, ClientReadableStream } from "@grpc/grpc-js";
import { LOG_METHODS } from "../../src/api/index.ts";
import type { LogMethodName } from "../../src/api/index.ts";
import { limits } from "../../src/base/index.ts";

/** The settings of our own client's channels, where they bear upon speed. */
const CHANNEL_OPTIONS = {
  "grpc.max_send_message_length": -1,
  "grpc.max_receive_message_length": -1,
  "grpc-node.flow_control_window": limits.clientWindowBytes,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.use_local_subchannel_pool": 1,
};

/** grpc-js with nothing around it: it calls the log's methods of whoever answers there. */
export class Driver implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  unary(
    name: LogMethodName,
    request: Buffer,
    done: (error: unknown, reply?: Buffer) => void,
  ): void {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, done);
  }

  duplex(name: LogMethodName): ClientDuplexStream<Buffer, Buffer> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  }

  stream(name: LogMethodName, request: Buffer): ClientReadableStream<Buffer> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    return this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export interface Load {
  readonly count: number;
  readonly inFlight: number;
  /** The n-th request. */
  readonly request: (n: number) => Buffer;
  /** Sees every answer; what it throws ends the load. */
  readonly onReply?: (reply: Buffer, n: number) => void;
}

/** Calls one after the other, `inFlight` of them at any time. */
export function callUnary(driver: Driver, name: LogMethodName, load: Load): Promise<void> {
  const { count, inFlight, request, onReply } = load;
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const send = (): void => {
      const n = sent++;
      driver.unary(name, request(n), (error, reply) => {
        if (error !== null || reply === undefined) {
          reject(error instanceof Error ? error : new Error("an empty answer"));
          return;
        }
        onReply?.(reply, n);
        answered += 1;
        if (answered === count) resolve();
        else if (sent < count) send();
      });
    };
    for (let n = 0; n < Math.min(inFlight, count); n++) send();
  });
}

/** One stream both ways: a request is sent as soon as fewer than `inFlight` are unanswered. */
export function callDuplex(driver: Driver, name: LogMethodName, load: Load): Promise<void> {
  const { count, inFlight, request, onReply } = load;
  const call = driver.duplex(name);
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    call.on("error", reject);
    call.on("end", () => {
      if (answered === count) resolve();
      else reject(new Error(`the stream ended after ${answered} answers of ${count}`));
    });
    call.on("data", (reply: Buffer) => {
      onReply?.(reply, answered);
      answered += 1;
      if (sent < count) call.write(request(sent++));
      else if (answered === count) call.end();
    });
    for (const last = Math.min(inFlight, count); sent < last;) call.write(request(sent++));
  });
}

/** Reads a stream to its end; answers with how many messages came. */
export function readStream(
  call: ClientReadableStream<Buffer>,
  onMessage: (message: Buffer) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let count = 0;
    call.on("error", reject);
    call.on("end", () => resolve(count));
    call.on("data", (message: Buffer) => {
      count += 1;
      onMessage(message);
    });
  });
}
