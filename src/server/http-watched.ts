import type { IncomingMessage } from "node:http";
import { formatAddress } from "../base/index.ts";
import type { CallFacts } from "../base/index.ts";

/** What a request says of itself. */
export class RequestFacts implements CallFacts {
  readonly #request: IncomingMessage;
  readonly #peer: string;

  constructor(request: IncomingMessage) {
    this.#request = request;
    // A socket that was closed does not know any more.
    const { remoteAddress = "", remotePort = 0 } = request.socket;
    this.#peer = formatAddress(remoteAddress, remotePort);
  }

  peer(): string {
    return this.#peer;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }
}
