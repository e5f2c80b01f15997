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
      ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
      ...(cert === undefined ? {} : { cert: Buffer.from(cert) }),
      ...(key === undefined ? {} : { key: Buffer.from(key) }),
    });
    return grpcCredentials.createFromSecureContext(context, { checkServerIdentity: checkIdentity });
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    throw new ProglogError("CONFIGURATION", `TLS of the client: ${message}`, { cause });
  }
}
