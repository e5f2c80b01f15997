import { createSecureContext } from "node:tls";
import { type ChannelCredentials, credentials as grpcCredentials } from "@grpc/grpc-js";
import { ProglogError } from "../base/index.ts";
import { checkIdentity } from "./tls-name.ts";

type Pem = string | Uint8Array;

/** How a client proves who it is, and whom it believes. PEM throughout. */
export interface ClientTls {
  /** Who signs servers. Default: the authorities that Node knows. */
  readonly ca?: Pem | undefined;
  /** Shown to servers that ask who we are. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  /**
   * The same as files. They are looked at every second; what changed is used for the connections
   * made after that, while calls that run go on where they are.
   */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The name that a server's certificate must have; default: the host of the server's address. */
  readonly serverName?: string | undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** What a context is made of. */
export type TlsMaterial = Pick<ClientTls, "ca" | "cert" | "key">;

/** Throws `CONFIGURATION`. Believes names as `tlsNameOf` writes them. */
export function secureCredentials({ ca, cert, key }: TlsMaterial): ChannelCredentials {
  if ((cert === undefined) !== (key === undefined)) {
    throw new ProglogError("CONFIGURATION", "a client's certificate and its key come together");
  }
  try {
    const context = createSecureContext({
      minVersion: "TLSv1.3",
      ...(ca === undefined ? {} : { ca: authoritiesIn(Buffer.from(ca)) }),
      ...(cert === undefined ? {} : { cert: Buffer.from(cert) }),
      ...(key === undefined ? {} : { key: Buffer.from(key) }),
    });
    return grpcCredentials.createFromSecureContext(context, { checkServerIdentity: checkIdentity });
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    throw new ProglogError("CONFIGURATION", `TLS of the client: ${message}`, { cause });
  }
}

/**
 * One by one: of authorities in one text Node stops at the first that it cannot read, and says nothing,
 * as where two files were put together and the first did not end its line.
 */
function authoritiesIn(pem: Buffer): Buffer | string[] {
  const text = pem.toString("latin1");
  const all = text.match(CERTIFICATE) ?? [];
  if (all.length !== text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw new Error("the authorities are cut off in a certificate");
  }
  // Whatever else it is, Node may know it.
  return all.length === 0 ? pem : all;
}
