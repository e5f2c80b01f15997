import type { IncomingMessage } from "node:http";
import { ProglogError } from "../base/index.ts";
import { invalid, quote } from "./http-json.ts";

export interface DoorOptions {
  /** Web origins that may call, `https://console.example` exactly, or `*`. */
  readonly allowedOrigins: readonly string[];
  /**
   * Names by which this server is rightly called, without port, lower case. The names of the loopback
   * and the address that a connection has reached are its own in any case.
   */
  readonly allowedHosts: readonly string[] | ((host: string) => boolean);
}

const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
/** `host` or `host:port`; an IPv6 address in brackets. */
const HOST = /^(\[[0-9a-f:.]+\]|[^\s:/?#@[\]\\]+)(?::\d{1,5})?$/i;
const CORS_METHODS = "GET, HEAD, POST, OPTIONS";
const CORS_REQUEST_HEADERS = "content-type, last-event-id";
const PREFLIGHT_SECONDS = "600";

export type Headers = Readonly<Record<string, string>>;

const NO_HEADERS: Headers = Object.freeze({});

/**
 * Who may talk to a server that trusts whoever reaches it: programs, and no web page that is not
 * invited. A page of another site is known by its `Origin`, or by `Sec-Fetch-Site` where a browser
 * sends no origin; a page whose own name was bent to our address (DNS rebinding) by its `Host`.
 */
export class Door {
  readonly #origins: ReadonlySet<string>;
  readonly #allowedHosts: (host: string) => boolean;

  constructor({ allowedOrigins, allowedHosts }: DoorOptions) {
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
    this.#allowedHosts =
      typeof allowedHosts === "function" ? allowedHosts : (host) => allowedHosts.includes(host);
  }

  /**
   * Lets a request in, with the CORS headers of its answer, or throws `PERMISSION_DENIED`. Two
   * `Host`s are `INVALID_ARGUMENT`: whoever stands before us may have looked at the other one.
   */
  admit(request: IncomingMessage): Headers {
    this.#checkHost(request);
    const { origin } = request.headers;
    if (origin === undefined) {
      if (request.headers["sec-fetch-site"] !== "cross-site") return NO_HEADERS;
      throw new ProglogError("PERMISSION_DENIED", "requests of other sites are not allowed");
    }
    if (!this.#origins.has("*") && !this.#origins.has(origin.toLowerCase())) {
      throw new ProglogError("PERMISSION_DENIED", `the origin ${quote(origin)} is not allowed`, {
        details: { origin },
      });
    }
    return {
      "access-control-allow-origin": origin,
      "access-control-expose-headers": "proglog-not-appended",
      vary: "Origin",
    };
  }

  #checkHost(request: IncomingMessage): void {
    const { host } = request.headers;
    // Only HTTP/1.0 may leave it out, which no browser speaks.
    if (host === undefined) return;
    if (countOf(request.rawHeaders, "host") > 1) throw invalid("there is more than one Host");
    const name = HOST.exec(host)?.[1]?.toLowerCase().replace(/\.$/, "");
    if (name !== undefined) {
      if (LOOPBACK_NAMES.has(name) || this.#allowedHosts(name)) return;
      if (name === addressOf(request)) return;
    }
    throw new ProglogError("PERMISSION_DENIED", `the host ${quote(host)} is not this server`, {
      details: { host },
    });
  }
}

/** What a browser asks before it sends a request of another origin. */
export function isPreflight({ headers }: IncomingMessage): boolean {
  return headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

export const PREFLIGHT_HEADERS: Headers = Object.freeze({
  "access-control-allow-methods": CORS_METHODS,
  "access-control-allow-headers": CORS_REQUEST_HEADERS,
  "access-control-max-age": PREFLIGHT_SECONDS,
});

/** The address that a connection was made to, as it stands in a `Host`: no page can claim it as its name. */
function addressOf({ socket }: IncomingMessage): string | undefined {
  const address = socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, "");
  return address?.includes(":") === true ? `[${address}]` : address;
}

function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] as string;
    if (header.length === name.length && header.toLowerCase() === name) count += 1;
  }
  return count;
}
