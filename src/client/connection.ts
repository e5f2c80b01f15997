import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import {
  type ChannelCredentials,
  Client as GrpcClient,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials as grpcCredentials,
} from "@grpc/grpc-js";
import { fromServiceError, GRPC_STATUS, LOG_METHODS, type LogMethodName } from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import { abortError, onAbort } from "./abort.ts";
import { callMetadata, streamMetadata } from "./call-metadata.ts";

const CHANNEL_OPTIONS = {
  "grpc.max_send_message_length": limits.grpcMessageBytesMax,
  "grpc.max_receive_message_length": limits.grpcMessageBytesMax,
  "grpc-node.flow_control_window": limits.clientWindowBytes,
  "grpc.initial_reconnect_backoff_ms": limits.retryDelayMsMin,
  "grpc.max_reconnect_backoff_ms": limits.retryDelayMsMax,
  "grpc.keepalive_time_ms": limits.keepaliveIntervalMs,
  "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
  // Whether a call may be repeated is our knowledge, and its buffers are ours.
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  // A client has connections of its own, and closing it closes them.
  "grpc.use_local_subchannel_pool": 1,
};

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How a client proves who it is, and whom it believes. PEM throughout. */
export interface ClientTls {
  /** Who signs servers. Default: the authorities that Node knows. */
  readonly ca?: string | Uint8Array | undefined;
  /** Shown to servers that ask who we are. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
  /** The name that a server's certificate must have; default: the host of the address. */
  readonly serverName?: string | undefined;
}

/** One or the other; neither is plaintext. */
export interface SecurityOptions {
  readonly tls?: ClientTls | undefined;
  readonly credentials?: ChannelCredentials | undefined;
}

/** A channel to the servers that knows which calls are open, and words every failure as ours. */
export class Connection {
  readonly #grpc: GrpcClient;
  readonly #cancels = new Set<() => void>();
  #closed = false;

  constructor(address: string, security: SecurityOptions = {}) {
    const { tls, credentials } = security;
    const ip = tls?.serverName === undefined ? ipOf(address) : undefined;
    const name = ip === undefined ? tls?.serverName : NAME_FOR_ADDRESSES;
    const options =
      name === undefined
        ? CHANNEL_OPTIONS
        : { ...CHANNEL_OPTIONS, "grpc.ssl_target_name_override": name };
    this.#grpc = new GrpcClient(address, credentials ?? credentialsOf(tls, ip), options);
  }

  /** A call with one answer. `deadlineMs` is a time of `Date.now()`. */
  unary<T>(
    name: LogMethodName,
    request: Buffer,
    decode: (bytes: Uint8Array) => T,
    options: CallOptions & { readonly deadlineMs: number },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#assertOpen(options.signal);
      const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
      const call = this.#grpc.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        callMetadata(),
        { deadline: options.deadlineMs },
        (error, response) => {
          release();
          if (response === undefined) reject(this.errorOf(error, options.signal));
          else resolve(decodeAnswer(decode, response));
        },
      );
      const release = this.#track(() => call.cancel(), options.signal);
    });
  }

  /** A call with a stream of answers; `release` ends it if it still runs, and must be called. */
  readStream(
    name: LogMethodName,
    request: Buffer,
    options: CallOptions = {},
  ): { call: ClientReadableStream<Buffer>; release: () => void } {
    this.#assertOpen(options.signal);
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    const call = this.#grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      streamMetadata(),
    );
    return { call, release: this.#trackStream(call, options.signal) };
  }

  /** A call with streams both ways; `release` ends it if it still runs, and must be called. */
  duplex(name: LogMethodName): { call: ClientDuplexStream<Buffer, Buffer>; release: () => void } {
    this.#assertOpen();
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    const call = this.#grpc.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      streamMetadata(),
    );
    return { call, release: this.#trackStream(call) };
  }

  /** Ends all calls, which fail with `CLOSED`, and closes the connections. */
  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
    this.#grpc.close();
  }

  /** What a call failed with: the caller's own doing first, then what came over the wire. */
  errorOf(caught: unknown, signal?: AbortSignal): ProglogError {
    if (caught instanceof ProglogError) return caught;
    if (signal?.aborted) return abortError(signal);
    if (this.#closed) return closedError(caught);
    const error = fromServiceError(caught);
    if (!isBrokenOff(error)) return error;
    const { message, details, notAppended } = error;
    return new ProglogError("UNAVAILABLE", message, { cause: caught, details, notAppended });
  }

  #assertOpen(signal?: AbortSignal): void {
    if (this.#closed) throw closedError();
    if (signal?.aborted) throw abortError(signal);
  }

  #trackStream(call: { on: EmitsErrors; cancel(): void }, signal?: AbortSignal): () => void {
    // Cancelling makes the call emit an error even when nobody listens any more.
    call.on("error", () => undefined);
    const forget = this.#track(() => call.cancel(), signal);
    return () => {
      forget();
      call.cancel();
    };
  }

  #track(cancel: () => void, signal?: AbortSignal): () => void {
    this.#cancels.add(cancel);
    const unsubscribe = onAbort(signal, cancel);
    return () => {
      this.#cancels.delete(cancel);
      unsubscribe();
    };
  }
}

type EmitsErrors = (event: "error", listener: () => void) => unknown;

/**
 * The server went away in the middle, which its status alone does not say: one that shuts down
 * answers `CLOSED`, and one that is gone leaves us with the library's words for a reset stream.
 */
function isBrokenOff(error: ProglogError): boolean {
  if (error.code === "CLOSED") return true;
  const status = (error.cause as { code?: number } | undefined)?.code;
  const fromLibrary = Object.keys(error.details).length === 0;
  if (!fromLibrary) return false;
  if (error.code === "CANCELLED") return true;
  return status === GRPC_STATUS.INTERNAL && error.message.includes("RST_STREAM");
}

function closedError(cause?: unknown): ProglogError {
  return new ProglogError("CLOSED", "the client is closed", { cause });
}

/**
 * What a server that is reached by an IP address is called in the handshake, where an address may not
 * stand (RFC 6066) and the library would put it. Its certificate is still checked for the address.
 */
const NAME_FOR_ADDRESSES = "server.proglog";

function ipOf(address: string): string | undefined {
  const host = /^\[?(.+?)\]?:\d+$/.exec(address)?.[1] ?? "";
  return isIP(host) === 0 ? undefined : host;
}

function credentialsOf(tls: ClientTls | undefined, ip: string | undefined): ChannelCredentials {
  if (tls === undefined) return grpcCredentials.createInsecure();
  const { ca, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new ProglogError("CONFIGURATION", "a client's certificate and its key come together");
  }
  try {
    const context = createSecureContext({
      minVersion: "TLSv1.3",
      ...(ca === undefined ? {} : { ca: asBuffer(ca) }),
      ...(cert === undefined ? {} : { cert: asBuffer(cert) }),
      ...(key === undefined ? {} : { key: asBuffer(key) }),
    });
    return grpcCredentials.createFromSecureContext(
      context,
      ip === undefined
        ? {}
        : { checkServerIdentity: (_name, certificate) => checkServerIdentity(ip, certificate) },
    );
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    throw new ProglogError("CONFIGURATION", `TLS of the client: ${message}`, { cause });
  }
}

function asBuffer(pem: string | Uint8Array): Buffer {
  return typeof pem === "string" ? Buffer.from(pem) : Buffer.from(pem);
}

/** An answer that cannot be read is the server's fault, whatever the decoder calls it. */
export function decodeAnswer<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new ProglogError("INTERNAL", "the server's answer cannot be read", { cause });
  }
}
