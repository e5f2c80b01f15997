import { once } from "node:events";
import { Agent, request } from "node:http";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { createHttpGateway } from "../../src/server/http-gateway.ts";
import type { HttpGateway, HttpGatewayOptions } from "../../src/server/http-gateway.ts";
import { Tails } from "../../src/server/index.ts";
import { MemoryCommitLog } from "./memory-commit-log.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** What the text says, for tests that say what they expect of it. */
  readonly json: unknown;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
}

/** A gateway over a log in memory, on a loopback port, and someone who calls it. */
export class HttpServer implements AsyncDisposable {
  readonly log: MemoryCommitLog;
  readonly tails: Tails;
  readonly gateway: HttpGateway;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });

  private constructor(log: MemoryCommitLog, options: Omit<HttpGatewayOptions, "tails">) {
    this.log = log;
    this.tails = new Tails(log);
    this.gateway = createHttpGateway({ ...options, tails: this.tails });
  }

  static async start(
    options: Omit<HttpGatewayOptions, "tails"> = {},
    log: MemoryCommitLog = new MemoryCommitLog(),
  ): Promise<HttpServer> {
    const server = new HttpServer(log, options);
    server.gateway.server.listen(0, "127.0.0.1");
    await once(server.gateway.server, "listening");
    return server;
  }

  get port(): number {
    return (this.gateway.server.address() as AddressInfo).port;
  }

  /** Sends the headers and gives the request, to be written or ended. */
  request(method: string, path: string, headers: CallOptions["headers"] = {}): ClientRequest {
    const all = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        typeof value === "string" ? value : [...value],
      ]),
    );
    const { port } = this;
    return request({ host: "127.0.0.1", port, method, path, headers: all, agent: this.#agent });
  }

  /** The answer as it begins; its body is still to come. */
  async open(path: string, headers?: CallOptions["headers"]): Promise<IncomingMessage> {
    const call = this.request("GET", path, headers);
    call.end();
    const [response] = (await once(call, "response")) as [IncomingMessage];
    return response;
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { headers = {}, body } = options;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const call = this.request(method, path, { ...length, ...headers });
    call.end(body);
    const [response] = (await once(call, "response")) as [IncomingMessage];
    const text = await readAll(response);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      get json(): unknown {
        return JSON.parse(text) as unknown;
      },
    };
  }

  get(path: string, headers: CallOptions["headers"] = {}): Promise<Answer> {
    return this.call("GET", path, { headers });
  }

  post(
    path: string,
    body: string | Uint8Array,
    headers: CallOptions["headers"] = {},
  ): Promise<Answer> {
    return this.call("POST", path, { headers, body });
  }

  /** A connection without anybody's manners. */
  async connect(): Promise<Socket> {
    const socket = connect(this.port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.gateway.close(0);
  }
}

export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Reads until the text says it; what was read until then. The rest waits. */
export async function readUntil(stream: NodeJS.ReadableStream, mark: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const stop = (): void => {
      stream.pause();
      stream.removeListener("data", onData);
      stream.removeListener("end", onEnd);
    };
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      if (!text.includes(mark)) return;
      stop();
      resolve(text);
    };
    const onEnd = (): void => {
      stop();
      reject(new Error(`the stream has ended without ${mark}: ${text}`));
    };
    stream.on("data", onData);
    stream.on("end", onEnd);
    stream.resume();
  });
}

/** The code of an error answer. */
export function codeOf({ json }: Answer): string {
  return (json as { error: { code: string } }).error.code;
}

/** Its sentence. */
export function messageOf({ json }: Answer): string {
  return (json as { error: { message: string } }).error.message;
}
