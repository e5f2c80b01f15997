import { LOG_METHODS } from "../api/index.ts";

/** Before each message: whether it is compressed, and its length, big-endian. */
const PREFIX_BYTES = 5;

/** Methods whose callers send one message after another, each of which is taken when it is complete. */
const FED: ReadonlySet<string> = new Set(
  Object.values(LOG_METHODS)
    .filter(({ requestStream }) => requestStream)
    .map(({ path }) => path),
);

/**
 * What a server holds of the requests of one call. Of a call with one request that is all of it for
 * as long as the call lasts, also what came after the message; of one that is fed, the message that is
 * not complete yet.
 */
export class RequestMeter {
  /** Bytes. */
  held = 0;
  readonly #isFed: boolean;
  /** Of the prefix. */
  #prefixBytes = 0;
  /** Of the message after it, as it says; and what of it is still to come. */
  #length = 0;
  #missing = 0;

  constructor(path: string) {
    this.#isFed = FED.has(path);
  }

  /** The change of `held`. */
  take(chunk: Buffer): number {
    const before = this.held;
    if (this.#isFed) this.#read(chunk);
    else this.held += chunk.length;
    return this.held - before;
  }

  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        const byte = chunk[at++] as number;
        this.#length = this.#prefixBytes === 0 ? 0 : this.#length * 256 + byte;
        this.#missing = this.#length;
        this.#prefixBytes += 1;
      } else {
        const taken = Math.min(this.#missing, chunk.length - at);
        this.#missing -= taken;
        at += taken;
      }
      if (this.#prefixBytes === PREFIX_BYTES && this.#missing === 0) this.#prefixBytes = 0;
    }
    this.held = this.#prefixBytes === 0 ? 0 : this.#length - this.#missing;
  }
}
