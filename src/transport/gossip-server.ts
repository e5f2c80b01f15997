import type { Socket } from "node:net";
import { limits } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import type { Input, StreamMessage, StreamReply } from "../gossip/index.ts";
import { parseIp } from "./gossip-address.ts";
import type { Complaints } from "./gossip-complaints.ts";
import type { Keyring } from "./gossip-keyring.ts";
import { encodeStream, StreamReader } from "./gossip-stream.ts";

export interface StreamParts {
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly complaints: Complaints;
  readonly onInput: (input: Input) => void;
}

const ACCEPTED = { what: "accepted" };

interface Served {
  readonly socket: Socket;
  readonly cancelTimeout: () => void;
}

/** Streams that others open: each brings one message, is answered once, and is closed. */
export class GossipServer {
  readonly #parts: StreamParts;
  readonly #served = new Map<number, Served>();
  #next = 1;
  #heldBytes = 0;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  accept(socket: Socket): void {
    const { clock, observer, complaints } = this.#parts;
    const from = socket.remoteAddress ?? "";
    socket.on("error", () => socket.destroy());
    if (this.#served.size >= limits.gossipServedStreamsMax) {
      complaints.add("gossip.stream-dropped", "stream_limit", from);
      socket.destroy();
      return;
    }
    observer.count("gossip_streams_total", 1, ACCEPTED);
    const stream = this.#next++;
    const cancelTimeout = clock.after(limits.gossipServedStreamMs, () => {
      complaints.add("gossip.stream-dropped", "stream_timeout", from);
      socket.destroy();
    });
    this.#served.set(stream, { socket, cancelTimeout });
    this.#read(stream, socket, from);
  }

  /** Answers, when the peer is still there, and closes. */
  reply({ stream, message }: StreamReply): void {
    const served = this.#served.get(stream);
    if (served === undefined) return;
    this.#end(served.socket, message);
  }

  close(): void {
    for (const { socket } of this.#served.values()) socket.destroy();
  }

  #read(stream: number, socket: Socket, from: string): void {
    const { keyring, complaints, onInput } = this.#parts;
    const reader = new StreamReader(keyring);
    let held = 0;
    let isDone = false;
    const letGo = (): void => {
      isDone = true;
      this.#heldBytes -= held;
      held = 0;
    };
    const refuse = (what: string, text: string): void => {
      letGo();
      complaints.add("gossip.stream-dropped", what, from);
      this.#end(socket, { kind: "error", text });
    };
    socket.on("data", (chunk) => {
      // Of what follows a message nothing is meant for us.
      if (isDone) return;
      const verdict = reader.push(chunk);
      this.#heldBytes += reader.heldBytes - held;
      held = reader.heldBytes;
      if (verdict === "more") {
        if (this.#heldBytes > limits.gossipServedBytesMax) refuse("stream_memory", "try later");
        return;
      }
      if ("refused" in verdict) {
        refuse("stream", verdict.refused);
        return;
      }
      letGo();
      const ip = parseIp(from);
      const port = socket.remotePort ?? 0;
      if (ip === undefined) socket.destroy();
      else onInput({ kind: "stream", stream, from: { ip, port }, message: verdict });
    });
    socket.on("end", () => {
      if (!isDone) socket.destroy();
    });
    socket.on("close", () => {
      letGo();
      this.#served.get(stream)?.cancelTimeout();
      this.#served.delete(stream);
    });
  }

  #end(socket: Socket, message: StreamMessage | undefined): void {
    if (message === undefined) socket.end();
    else socket.end(encodeStream(message, this.#parts.keyring));
    // What still comes is thrown away, so that our answer is not lost to a reset.
    socket.resume();
  }
}
