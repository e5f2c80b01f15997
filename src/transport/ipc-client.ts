import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { limits, ProglogError } from "../base/index.ts";
import { formatIp } from "./gossip-address.ts";
import { encodeValue, Fields, MsgpackReader, textOf } from "./gossip-msgpack.ts";
import type { Encodable, Value } from "./gossip-msgpack.ts";

export interface IpcClientOptions {
  readonly host: string;
  readonly port: number;
  /** What the server wants to be told before it answers. */
  readonly authKey?: string | undefined;
  /** For each request. */
  readonly timeoutMs: number;
}

/** A member as an agent tells of it. */
export interface IpcMember {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly status: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** Asks an agent, ours or Serf's own, over its RPC port. One request at a time. */
export class IpcClient implements AsyncDisposable {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #seq = 0;

  /** Throws `UNAVAILABLE` when nobody answers there, `UNAUTHENTICATED` when the token is not right. */
  static async connect(options: IpcClientOptions): Promise<IpcClient> {
    const { host, port, authKey = "", timeoutMs } = options;
    const socket = connect({ host, port });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    try {
      await once(socket, "connect");
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ProglogError("UNAVAILABLE", `no agent answers at ${host}:${port}: ${reason}`, {
        cause,
      });
    }
    const client = new IpcClient(socket);
    try {
      await client.#ask("handshake", { Version: 1 });
      if (authKey !== "") await client.#ask("auth", { AuthKey: authKey });
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    // What is wrong with it is told by the request that it fails.
    socket.on("error", () => undefined);
  }

  /** Everybody whom the agent knows, sorted by name. */
  async members(): Promise<readonly IpcMember[]> {
    const body = await this.#ask("members", undefined, true);
    const members = new Fields(body).list("Members").map((member) => {
      const fields = new Fields(member);
      const tags = [...fields.map("Tags")].map(
        ([name, tag]) =>
          [name, (tag instanceof Uint8Array ? textOf(tag) : undefined) ?? ""] as const,
      );
      return {
        name: fields.text("Name"),
        host: hostOf(fields.bytes("Addr")),
        port: fields.uint("Port"),
        status: fields.text("Status"),
        tags: Object.fromEntries(tags),
      };
    });
    return members.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Tells all members of something. */
  async event(name: string, payload: Uint8Array, coalesce: boolean): Promise<void> {
    await this.#ask("event", { Coalesce: coalesce, Name: name, Payload: payload });
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask(command: string, body: Encodable | undefined, hasAnswer = false): Promise<Value> {
    const seq = this.#seq++;
    this.#socket.write(encodeValue({ Command: command, Seq: seq }));
    if (body !== undefined) this.#socket.write(encodeValue(body));
    const head = new Fields(await this.#next());
    const answer = hasAnswer ? await this.#next() : null;
    const error = head.text("Error");
    if (error === "" && head.isValid()) return answer;
    const isDenied = error.includes("uthentication");
    throw new ProglogError(isDenied ? "UNAUTHENTICATED" : "INVALID_ARGUMENT", error || "no answer");
  }

  async #next(): Promise<Value> {
    for (;;) {
      const reader = new MsgpackReader(this.#bytes);
      const value = reader.value();
      if (reader.state === "ok") {
        this.#bytes = this.#bytes.subarray(reader.at);
        return value;
      }
      const isTooLong = this.#bytes.length > limits.ipcAnswerBytesMax;
      const chunk = reader.state === "bad" || isTooLong ? undefined : await this.#read();
      if (chunk === undefined) {
        throw new ProglogError("UNAVAILABLE", "this is not the RPC port of an agent");
      }
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    }
  }

  /** Undefined at the end. */
  async #read(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (this.#socket.readableEnded || this.#socket.destroyed) return undefined;
      await Promise.race([once(this.#socket, "readable"), once(this.#socket, "close")]).catch(
        () => undefined,
      );
    }
  }
}

/** Serf's agents write an address in 4 bytes or in 16. */
function hostOf(ip: Uint8Array): string {
  return ip.length === 4 || ip.length === 16 ? formatIp(ip) : "?";
}
