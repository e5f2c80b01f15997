import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, createServer } from "node:tls";
import type { SecureContext, SecureContextOptions, Server, TLSSocket } from "node:tls";
import { limits } from "../base/index.ts";

/** What peers call each other in a handshake (SNI): they are shown the certificate for peers. */
export const PEER_SERVER_NAME = "peer.proglog";

export interface TlsListenerOptions {
  /** What is shown and what is believed: `cert`, `key`, `ca`. */
  readonly context: SecureContextOptions;
  /** Whoever shows no certificate that `ca` vouches for is refused. */
  readonly asksForCertificate: boolean;
  /** The same for peers; absent: as for everybody. */
  readonly peerContext?: (() => SecureContextOptions) | undefined;
}

export interface TlsEvents {
  /** ALPN's names of the protocols that are spoken here. */
  readonly names: readonly string[];
  readonly onSecure: (socket: TLSSocket) => void;
  readonly onRefused: (reason: string) => void;
}

/** A client that speaks it in any other way too is better off with it: HTTP/2 here means gRPC. */
const PREFERRED = "http/1.1";

const FIXED: SecureContextOptions = {
  minVersion: "TLSv1.3",
  // A resumed session would be believed on the word of an earlier handshake: by certificates and
  // authorities that may not count any more.
  secureOptions: constants.SSL_OP_NO_TICKET,
};

/** The handshakes of a port: takes connections, gives back those that are encrypted and believed. */
export class TlsListener {
  readonly #server: Server;
  readonly #peerContext: (() => SecureContextOptions) | undefined;
  /** Made of the options that it belongs to. */
  #peer: { readonly of: SecureContextOptions; readonly context: SecureContext } | undefined;

  constructor(options: TlsListenerOptions, events: TlsEvents) {
    this.#peerContext = options.peerContext;
    this.#server = createServer({
      ...FIXED,
      ...options.context,
      requestCert: options.asksForCertificate,
      rejectUnauthorized: options.asksForCertificate,
      handshakeTimeout: limits.handshakeTimeoutMs,
      ALPNCallback: ({ protocols }) => chosen(protocols, events.names),
      SNICallback: (name, callback) => callback(null, this.#contextFor(name)),
    });
    this.#server.on("secureConnection", events.onSecure);
    this.#server.on("tlsClientError", (error, socket) => {
      socket.destroy();
      events.onRefused(`no TLS: ${reasonOf(error)}`);
    });
  }

  take(socket: Socket): void {
    this.#server.emit("connection", socket);
  }

  /** For handshakes from now on. */
  renew(context: SecureContextOptions): void {
    this.#server.setSecureContext({ ...FIXED, ...context });
  }

  #contextFor(name: string): SecureContext | undefined {
    const of = name === PEER_SERVER_NAME ? this.#peerContext?.() : undefined;
    if (of === undefined) return undefined;
    if (this.#peer?.of !== of) {
      this.#peer = { of, context: createSecureContext({ ...FIXED, ...of }) };
    }
    return this.#peer.context;
  }
}

function chosen(offered: readonly string[], known: readonly string[]): string | undefined {
  if (offered.includes(PREFERRED) && known.includes(PREFERRED)) return PREFERRED;
  return known.find((name) => offered.includes(name));
}

/** The library's words, on one line and short; they name no secret. */
function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return (code ?? error.message).replaceAll(/[^ -~]+/g, " ").slice(0, limits.errorTextCharsMax);
}
