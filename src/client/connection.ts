import { isIP } from "node:net";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client as GrpcClient,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials as grpcCredentials,
} from "@grpc/grpc-js";
import {
  type ControlMethodName,
  fromServiceError,
  GRPC_STATUS,
  LOG_METHODS,
  type LogMethodName,
  METHODS,
} from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import { abortError, onAbort } from "./abort.ts";
import { targetOf } from "./addresses.ts";
import { TLS_NAMES_OPTION } from "./balancer.ts";
import { callMetadata, streamMetadata } from "./call-metadata.ts";
import { type ClientTls, secureCredentials, type TlsMaterial } from "./credentials.ts";
import { notSent } from "./not-sent.ts";
import { registerScheme } from "./resolver.ts";
import { TlsFiles } from "./tls-files.ts";
import { tlsNameOf } from "./tls-name.ts";

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_send_message_length": limits.grpcMessageBytesMax,
  "grpc.max_receive_message_length": limits.grpcMessageBytesMax,
  "grpc-node.flow_control_window": limits.clientWindowBytes,
  "grpc.initial_reconnect_backoff_ms": limits.retryDelayMsMin,
  "grpc.max_reconnect_backoff_ms": limits.reconnectDelayMsMax,
  "grpc.keepalive_time_ms": limits.clientKeepaliveIntervalMs,
  "grpc.keepalive_timeout_ms": limits.clientKeepaliveTimeoutMs,
  // Whether a call may be repeated is our knowledge, and its buffers are ours.
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  // A client has connections of its own, and closing it closes them.
  "grpc.use_local_subchannel_pool": 1,
};

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** One or the other; neither is plaintext. */
export interface SecurityOptions {
  readonly tls?: ClientTls | undefined;
  readonly credentials?: ChannelCredentials | undefined;
}

/** A channel to the servers that knows which calls are open, and words every failure as ours. */
export class Connection {
  #grpc: GrpcClient;
  readonly #files: TlsFiles | undefined;
  readonly #cancels = new Set<() => void>();
  #closed = false;

  /** Throws `INVALID_ARGUMENT` for an address that is none, `CONFIGURATION` for what `tls` holds. */
  constructor(address: string, { tls, credentials }: SecurityOptions = {}) {
    if (tls === undefined || credentials !== undefined) {
      this.#grpc = openChannel(address, credentials ?? grpcCredentials.createInsecure(), {});
      return;
    }
    const open = (material: TlsMaterial): GrpcClient =>
      openChannel(address, secureCredentials(material), tlsOptions(address, tls));
    const first = TlsFiles.read(tls);
    this.#grpc = open(first);
    this.#files = new TlsFiles(tls, first, (material) => {
      const before = this.#grpc;
      this.#grpc = open(material);
      // Takes no new calls and ends those that have not begun; the others keep their connections.
      before.close();
    });
  }

  /** A call with one answer, which may take so long. */
  unary<T>(
    name: LogMethodName | ControlMethodName,
    request: Buffer,
    decode: (bytes: Uint8Array) => T,
    options: CallOptions & { readonly timeoutMs: number },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#assertOpen(options.signal);
      const { path, requestSerialize, responseDeserialize } = METHODS[name];
      const call = this.#grpc.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        callMetadata(),
        { deadline: Date.now() + options.timeoutMs },
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
    this.#files?.close();
    this.#grpc.close();
  }

  /** What a call failed with: the caller's own doing first, then what came over the wire. */
  errorOf(caught: unknown, signal?: AbortSignal): ProglogError {
    if (caught instanceof ProglogError) return caught;
    if (signal?.aborted) return abortError(signal);
    if (this.#closed) return closedError(caught);
    const error = fromServiceError(caught);
    if (error.code === "DEADLINE_EXCEEDED" && NEVER_SENT.test(error.message)) {
      const message = `no server was reached in time: ${error.message}`;
      return new ProglogError(error.code, message, { cause: caught, notAppended: true });
    }
    const neverBegan = NEVER_BEGAN.test(error.message);
    if (!neverBegan && !isBrokenOff(error)) return error;
    const { message, details } = error;
    const notAppended = neverBegan || error.notAppended;
    return new ProglogError("UNAVAILABLE", message, { cause: caught, details, notAppended });
  }

  #assertOpen(signal?: AbortSignal): void {
    if (this.#closed) throw notSent(closedError());
    if (signal?.aborted) throw notSent(abortError(signal));
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
 * What the library says of calls of which nothing was sent, or which the server let go before any
 * processing (REFUSED_STREAM, RFC 9113 section 8.7).
 */
const NEVER_BEGAN =
  /^(Channel closed before call started|Failed to start HTTP\/2 stream|Stream refused by server)/;

/** What the library says of calls whose time was over while they still waited for a connection. */
const NEVER_SENT = /^Deadline exceeded.*,(waiting for [a-z ]+|Waiting for LB pick)$/;

function openChannel(
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions,
): GrpcClient {
  registerScheme();
  const { target, isCluster } = targetOf(address);
  // A proxy would stand for all servers at once, and there would be nobody to choose among.
  const proxy = isCluster ? { "grpc.enable_http_proxy": 0 } : {};
  return new GrpcClient(target, credentials, { ...CHANNEL_OPTIONS, ...proxy, ...options });
}

function tlsOptions(address: string, { serverName }: ClientTls): ChannelOptions {
  const { isCluster } = targetOf(address);
  if (serverName !== undefined) return { "grpc.ssl_target_name_override": serverName };
  if (isCluster) return { [TLS_NAMES_OPTION]: 1 };
  const host = /^[^:]+:\/*\[?(.+?)\]?(?::\d+)?$/.exec(address)?.[1] ?? "";
  return isIP(host) === 0 ? {} : { "grpc.ssl_target_name_override": tlsNameOf(host) };
}

/** An answer that cannot be read is the server's fault, whatever the decoder calls it. */
export function decodeAnswer<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new ProglogError("INTERNAL", "the server's answer cannot be read", { cause });
  }
}
