import type { IncomingMessage } from "node:http";
import { ProglogError } from "../base/index.ts";
import type { ErrorCode } from "../base/index.ts";
import type { HttpLimits } from "./http-limits.ts";

/** What a body that is too large is called: of one record, or of many. */
export type TooLarge = Extract<ErrorCode, "RECORD_TOO_LARGE" | "BATCH_TOO_LARGE">;

/** Receives bodies, each within its limit and all together within theirs. */
export class BodyReader {
  readonly #limits: HttpLimits;
  #bytes = 0;

  constructor(limits: HttpLimits) {
    this.#limits = limits;
  }

  /** Bytes held for bodies that are not complete yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Refuses by what the headers say, before a byte is read: too long, or compressed. */
  check(request: IncomingMessage, tooLarge: TooLarge): void {
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity") {
      throw new ProglogError("UNSUPPORTED_COMPRESSION", "a compressed body is not supported");
    }
    const length = declaredLength(request) ?? 0;
    if (length > this.#limits.bodyBytesMax) throw this.#tooLarge(tooLarge);
  }

  /** The whole body. What is beyond the limit is never kept. */
  read(request: IncomingMessage, tooLarge: TooLarge): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let chunks: Buffer[] = [];
      let bytes = 0;
      let open = true;
      const close = (): void => {
        open = false;
        this.#bytes -= bytes;
        chunks = [];
      };
      const fail = (error: ProglogError): void => {
        close();
        reject(error);
      };
      request.on("data", (chunk: Buffer) => {
        if (!open) return;
        bytes += chunk.length;
        this.#bytes += chunk.length;
        if (bytes > this.#limits.bodyBytesMax) fail(this.#tooLarge(tooLarge));
        else if (this.#bytes > this.#limits.bodiesBytesMax) fail(tooMany());
        else chunks.push(chunk);
      });
      request.on("end", () => {
        if (!open) return;
        const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes);
        close();
        resolve(body);
      });
      const onGone = (): void => {
        if (open) fail(new ProglogError("CANCELLED", "the client went away"));
      };
      request.on("error", onGone);
    });
  }

  #tooLarge(code: TooLarge): ProglogError {
    const { bodyBytesMax } = this.#limits;
    return new ProglogError(code, `the body has more than ${bodyBytesMax} bytes`, {
      details: { bytesMax: String(bodyBytesMax) },
    });
  }
}

function tooMany(): ProglogError {
  return new ProglogError("RESOURCE_EXHAUSTED", "too many bodies are being received");
}

/** Undefined when a body comes in chunks and only its end will tell. */
export function declaredLength({ headers }: IncomingMessage): number | undefined {
  if (headers["transfer-encoding"] !== undefined) return undefined;
  const length = headers["content-length"];
  return length === undefined ? 0 : Number(length);
}
