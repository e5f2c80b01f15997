import { connect } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { crc32 } from "node:zlib";
import { LOG_METHODS } from "../../src/api/index.ts";

const FRAME_HEAD_BYTES = 5;
const WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * Many ConsumeStreams from one process, by bare HTTP/2: grpc-js as a client would be the bottleneck.
 * Bytes are counted and thrown away, but for the first tail's when `isChecked`; of the others a
 * checksum is kept.
 */
export class Http2Tails implements AsyncDisposable {
  readonly #sessions: readonly ClientHttp2Session[];
  /** Of each tail. */
  readonly receivedBytes: number[] = [];
  readonly #checksums: number[] = [];
  readonly #first: Buffer[] = [];
  readonly #isChecked: boolean;
  readonly #endings: string[] = [];

  private constructor(sessions: readonly ClientHttp2Session[], isChecked: boolean) {
    this.#sessions = sessions;
    this.#isChecked = isChecked;
  }

  /** All of them connected; each sends `request`. */
  static async open(
    address: string,
    request: Buffer,
    options: { readonly connections: number; readonly tails: number; readonly isChecked: boolean },
  ): Promise<Http2Tails> {
    const sessions = Array.from({ length: options.connections }, () =>
      connect(`http://${address}`, { settings: { initialWindowSize: WINDOW_BYTES } }),
    );
    await Promise.all(sessions.map((session) => connected(session)));
    const tails = new Http2Tails(sessions, options.isChecked);
    for (let n = 0; n < options.tails; n++) {
      const session = sessions[n % sessions.length];
      if (session !== undefined) tails.#start(session, request, n);
    }
    return tails;
  }

  get receivedTotal(): number {
    return this.receivedBytes.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** The messages of the first tail; throws when another one had other bytes. */
  checkedMessages(): Buffer[] {
    const [expected] = this.#checksums;
    const differing = this.#checksums.filter((checksum) => checksum !== expected).length;
    if (differing > 0) throw new Error(`${differing} tails have other bytes than the first`);
    const all = Buffer.concat(this.#first);
    const messages: Buffer[] = [];
    for (let at = 0; at < all.length;) {
      const end = at + FRAME_HEAD_BYTES + all.readUInt32BE(at + 1);
      messages.push(all.subarray(at + FRAME_HEAD_BYTES, end));
      at = end;
    }
    return messages;
  }

  /** Why tails have ended, which none should. */
  get endings(): readonly string[] {
    return this.#endings;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#sessions.map(
        (session) =>
          new Promise<void>((resolve) => {
            session.once("close", () => resolve());
            session.destroy();
          }),
      ),
    );
  }

  #start(session: ClientHttp2Session, request: Buffer, n: number): void {
    this.receivedBytes[n] = 0;
    const stream = session.request({
      ":method": "POST",
      ":path": LOG_METHODS.ConsumeStream.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("data", (chunk: Buffer) => {
      this.receivedBytes[n] = (this.receivedBytes[n] ?? 0) + chunk.length;
      if (!this.#isChecked) return;
      this.#checksums[n] = crc32(chunk, this.#checksums[n]);
      if (n === 0) this.#first.push(chunk);
    });
    stream.on("trailers", (trailers) => this.#endings.push(JSON.stringify(trailers)));
    stream.on("error", (error: Error) => this.#endings.push(error.message));
    const head = Buffer.alloc(FRAME_HEAD_BYTES);
    head.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([head, request]));
  }
}

function connected(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.once("error", reject);
    session.once("connect", () => {
      session.setLocalWindowSize(WINDOW_BYTES);
      resolve();
    });
  });
}
