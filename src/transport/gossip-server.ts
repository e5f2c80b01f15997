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
  /** What is held of a message that is not whole. */
  heldBytes: number;
  /** Its message is there, and is answered whoever else comes. */
  isWhole: boolean;
  readonly letGo: () => void;
  readonly refuse: (what: string, text: string) => void;
}

/**
 * Streams that others open: each brings one message, is answered once, and is closed. Where there are too
 * many, or they hold too much, it is the slow ones that go: whoever opens streams and says nothing
 * must not keep others from joining.
 */
export class GossipServer {
  readonly #parts: StreamParts;
  /** The oldest first. */
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
    if (this.#served.size >= limits.gossipServedStreamsMax && !this.#dropOldest()) {
      complaints.add("gossip.stream-dropped", "stream_limit", from);
      socket.destroy();
      return;
    }
    observer.count("gossip_streams_total", 1, ACCEPTED);
    const cancelTimeout = clock.after(limits.gossipServedStreamMs, () => {
      complaints.add("gossip.stream-dropped", "stream_timeout", from);
      socket.destroy();
    });
    socket.on("close", cancelTimeout);
    this.#read(this.#next++, socket, from);
  }

  /** Answers, when the peer is still there, and closes. */
  reply({ stream, message }: StreamReply): void {
    const served = this.#served.get(stream);
    if (served !== undefined) this.#end(served.socket, message);
  }

  close(): void {
    for (const { socket } of this.#served.values()) socket.destroy();
  }

  /** Of those whose message is not whole, or was refused. False: all are to be answered. */
  #dropOldest(): boolean {
    for (const [stream, { socket, isWhole, letGo }] of this.#served) {
      if (isWhole) continue;
      const from = socket.remoteAddress ?? "";
      this.#parts.complaints.add("gossip.stream-dropped", "stream_limit", from);
      // Now: until it is closed others would have to make room for what it held.
      letGo();
      this.#served.delete(stream);
      socket.destroy();
      return true;
    }
    return false;
  }

  /** Who holds most is told to try later, until the rest is little enough. */
  #dropLargest(): void {
    while (this.#heldBytes > limits.gossipServedBytesMax) {
      const all = [...this.#served.values()];
      const most = all.reduce((one, other) => (other.heldBytes > one.heldBytes ? other : one));
      most.refuse("stream_memory", "try later");
    }
  }

  #read(stream: number, socket: Socket, from: string): void {
    const { keyring, complaints, onInput } = this.#parts;
    // Let go of with its bytes, while the connection may linger.
    let reader: StreamReader | undefined = new StreamReader(keyring);
    const hold = (bytes: number): void => {
      this.#heldBytes += bytes - served.heldBytes;
      served.heldBytes = bytes;
    };
    const letGo = (): void => {
      reader = undefined;
      hold(0);
    };
    const refuse = (what: string, text: string): void => {
      letGo();
      complaints.add("gossip.stream-dropped", what, from);
      this.#end(socket, { kind: "error", text });
    };
    const served: Served = { socket, heldBytes: 0, isWhole: false, letGo, refuse };
    this.#served.set(stream, served);
    socket.on("data", (chunk) => {
      // Of what follows a message nothing is meant for us.
      if (reader === undefined) return;
      const verdict = reader.push(chunk);
      if (verdict === "more") {
        hold(reader.heldBytes);
        this.#dropLargest();
        return;
      }
      if ("refused" in verdict) {
        refuse("stream", verdict.refused);
        return;
      }
      letGo();
      served.isWhole = true;
      const ip = parseIp(from);
      const port = socket.remotePort ?? 0;
      if (ip === undefined) socket.destroy();
      else onInput({ kind: "stream", stream, from: { ip, port }, message: verdict });
    });
    socket.on("end", () => {
      if (reader !== undefined) socket.destroy();
    });
    socket.on("close", () => {
      letGo();
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
