import { connect } from "node:net";
import type { Socket } from "node:net";
import type { OutgoingStream, StreamMessage } from "../gossip/index.ts";
import { formatIp } from "./gossip-address.ts";
import type { StreamParts } from "./gossip-server.ts";
import { encodeStream, StreamReader } from "./gossip-stream.ts";

const OPENED = { what: "opened" };
const FAILED = { what: "failed" };

/** Streams that we open: one message, one reply, closed; or a failure, in bounded time. */
export class GossipDialer {
  readonly #parts: StreamParts;
  readonly #sockets = new Set<Socket>();

  constructor(parts: StreamParts) {
    this.#parts = parts;
    parts.observer.count("gossip_streams_total", 0, FAILED);
  }

  open({ stream, to, message, timeoutMs }: OutgoingStream): void {
    const { keyring, clock, observer, onInput } = this.#parts;
    const socket = connect({ host: formatIp(to.ip), port: to.port });
    const reader = new StreamReader(keyring);
    let isDone = false;
    const end = (reply: StreamMessage | string): void => {
      if (isDone) return;
      isDone = true;
      cancelTimeout();
      socket.destroy();
      if (typeof reply !== "string") onInput({ kind: "stream-reply", stream, message: reply });
      else {
        observer.count("gossip_streams_total", 1, FAILED);
        onInput({ kind: "stream-failed", stream, text: reply });
      }
    };
    const cancelTimeout = clock.after(timeoutMs, () => end(`no answer in ${timeoutMs} ms`));
    this.#sockets.add(socket);
    observer.count("gossip_streams_total", 1, OPENED);
    socket.write(encodeStream(message, keyring));
    socket.on("data", (chunk) => {
      if (isDone) return;
      const verdict = reader.push(chunk);
      if (verdict === "more") return;
      if ("refused" in verdict) end(`the answer is not understood: ${verdict.refused}`);
      else end(verdict);
    });
    socket.on("error", (error) => end(error.message));
    socket.on("end", () => end("closed without an answer"));
    socket.on("close", () => {
      this.#sockets.delete(socket);
      end("closed without an answer");
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
