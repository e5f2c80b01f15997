import { createHash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { limits, ProglogError } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import type { IncomingQuery } from "../gossip/index.ts";
import { encodeValue, Fields, MsgpackReader } from "./gossip-msgpack.ts";
import type { Encodable } from "./gossip-msgpack.ts";
import { COMMANDS } from "./ipc-commands.ts";
import type { IpcLog } from "./ipc-log.ts";
import type { IpcMembership } from "./ipc-port.ts";
import type { IpcSession } from "./ipc-session.ts";

export interface IpcParts {
  readonly membership: IpcMembership;
  readonly log: IpcLog;
  readonly authKey: string;
  readonly clock: Clock;
}

const VERSION_MAX = 1;

/** One operator's connection: requests one after the other, their answers, and streams between them. */
export class IpcConnection implements IpcSession {
  readonly queries: Map<number, IncomingQuery> = new Map<number, IncomingQuery>();
  readonly #socket: Socket;
  readonly #parts: IpcParts;
  readonly #ended = new AbortController();
  /** Streams under way, by the number of the request that began each. */
  readonly #streams = new Map<number, () => void>();
  #bytes: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  #isTrusted: boolean;
  #isBusy = false;

  constructor(socket: Socket, parts: IpcParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#isTrusted = parts.authKey === "";
  }

  get membership(): IpcMembership {
    return this.#parts.membership;
  }

  get log(): IpcLog {
    return this.#parts.log;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  start(): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    const forget = this.#parts.clock.after(limits.handshakeTimeoutMs, () => {
      if (!this.#isGreeted || !this.#isTrusted) socket.destroy();
    });
    socket.on("close", forget);
    socket.on("data", (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      if (this.#bytes.length > limits.ipcRequestBytesMax) socket.destroy();
      else if (!this.#isBusy) void this.#takeAll();
    });
    socket.on("close", () => {
      this.#ended.abort();
      for (const stop of this.#streams.values()) stop();
      this.#streams.clear();
    });
  }

  send(seq: number, body?: Encodable, error = ""): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(encodeValue({ Error: error, Seq: seq }));
    if (body !== undefined) this.#socket.write(encodeValue(body));
  }

  sendRecord(seq: number, record: Encodable): void {
    const isFull = this.#socket.writableLength > limits.ipcBufferBytesMax;
    if (isFull) this.log.count("ipc_records_dropped_total");
    else this.send(seq, record);
  }

  addStream(seq: number, stop: () => void): void {
    if (this.#streams.has(seq))
      throw new ProglogError("INVALID_ARGUMENT", "Stream with given sequence exists");
    if (this.#streams.size >= limits.ipcStreamsMax) {
      throw new ProglogError("RESOURCE_EXHAUSTED", "too many streams on this connection");
    }
    this.#streams.set(seq, stop);
  }

  stopStream(seq: number): void {
    this.#streams.get(seq)?.();
    this.#streams.delete(seq);
  }

  /** One request after the other: an answer may take its time. */
  async #takeAll(): Promise<void> {
    this.#isBusy = true;
    while (!this.#socket.destroyed && (await this.#takeOne())) await this.#drained();
    this.#isBusy = false;
  }

  /** Who does not read the answers is not heard further: what waits for him is one answer and a buffer. */
  async #drained(): Promise<void> {
    const socket = this.#socket;
    if (socket.writableLength <= limits.ipcBufferBytesMax || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off("drain", done);
        socket.off("close", done);
        resolve();
      };
      socket.on("drain", done);
      socket.on("close", done);
    });
  }

  /** False: the next request is not there yet. */
  async #takeOne(): Promise<boolean> {
    const reader = new MsgpackReader(this.#bytes);
    const head = new Fields(reader.value());
    const name = head.text("Command");
    const seq = head.uint("Seq");
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    const hasBody = name === "handshake" || name === "auth" || command?.hasBody === true;
    const body = reader.state === "ok" && hasBody ? new Fields(reader.value()) : NO_BODY;
    if (reader.state === "more") return false;
    if (reader.state === "bad" || !head.isValid() || !body.isValid()) {
      this.#socket.destroy();
      return false;
    }
    this.#bytes = this.#bytes.subarray(reader.at);
    try {
      if (name === "handshake") this.#greet(seq, body);
      else if (!this.#isGreeted) this.send(seq, undefined, "Handshake required");
      else if (name === "auth") this.#authenticate(seq, body);
      else if (!this.#isTrusted) this.send(seq, undefined, "Authentication required");
      else if (command === undefined) this.send(seq, undefined, "Unsupported command");
      else await command.run(this, seq, body);
    } catch (error) {
      const body = command?.answersBody === true ? {} : undefined;
      this.send(seq, body, ProglogError.from(error).message);
    }
    return true;
  }

  #greet(seq: number, body: Fields): void {
    const version = body.uint("Version");
    if (version > VERSION_MAX) this.send(seq, undefined, "Unsupported IPC version");
    else if (this.#isGreeted) this.send(seq, undefined, "Handshake already performed");
    else {
      this.#isGreeted = true;
      this.send(seq);
    }
  }

  #authenticate(seq: number, body: Fields): void {
    const { authKey, log } = this.#parts;
    if (authKey === "" || isSame(body.text("AuthKey"), authKey)) {
      this.#isTrusted = true;
      this.send(seq);
      return;
    }
    log.count("ipc_authentications_failed_total");
    this.send(seq, undefined, "Invalid authentication token");
  }
}

/** In a time that does not tell how much of it is right. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}

const NO_BODY = new Fields(new Map());
