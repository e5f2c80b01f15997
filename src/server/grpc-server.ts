import type { Duplex } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ConnectionInjector, ServerInterceptor } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import {
  CLUSTER_FILE_DESCRIPTOR,
  CLUSTER_METHODS,
  LOG_FILE_DESCRIPTOR,
  LOG_METHODS,
} from "../api/index.ts";
import { limits, ProglogError, silentObserver } from "../base/index.ts";
import type { CallObserver, Observer } from "../base/index.ts";
import { ClusterService } from "./cluster-service.ts";
import type { ClusterControl } from "./cluster-service.ts";
import { coalescing } from "./coalescing-call.ts";
import { Health, healthFileDescriptors } from "./health.ts";
import { widenWindows } from "./http2-window.ts";
import { LogService } from "./log-service.ts";
import type { Tails } from "./tails.ts";
import { watching } from "./watched-call.ts";
import type { Gate } from "./gate.ts";
import { authorizing } from "./grpc-authorization.ts";
import { GrpcConnections } from "./grpc-connections.ts";

export interface GrpcServerOptions {
  /** Shared with the other doors of the same log. */
  readonly tails: Tails;
  /** Around every call of every service; the first is the first to see a call. */
  readonly interceptors?: readonly ServerInterceptor[];
  /** Hears of calls that failed for no reason of theirs, and of connections that were cut. */
  readonly observer?: Observer;
  /** Hears of every call, also of those that an interceptor refuses. Absent: nobody does. */
  readonly calls?: CallObserver | undefined;
  /** What this server is called among those that the log lists. */
  readonly name?: string | undefined;
  /** What operators ask. Absent: there is no cluster to speak of, and its service is not there. */
  readonly control?: ClusterControl | undefined;
  /** Says who may do what. Absent: everybody may do everything. */
  readonly gate?: Gate | undefined;
  /** Of requests that are not complete. Default: `limits.requestsHeldBytesMax`. */
  readonly requestsHeldBytesMax?: number | undefined;
}

/**
 * All gRPC services of one log. It listens nowhere: connections are handed to `accept`, as they come
 * from the one port of a server, plain or already decrypted.
 */
export class GrpcServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #methods = new Set<string>();
  readonly #tails: Tails;
  readonly #service: LogService;
  readonly #cluster: ClusterService | undefined;
  readonly #health = new Health(true);
  readonly #connections: GrpcConnections;
  #closing: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    const { gate, observer, requestsHeldBytesMax, name = "" } = options;
    this.#tails = options.tails;
    this.#connections = new GrpcConnections({ gate, observer, requestsHeldBytesMax });
    const subjectAt = (peer: string): string => this.#connections.callerAt(peer)?.subject ?? "";
    this.#service = new LogService(options.tails, observer ?? silentObserver, subjectAt, name);
    this.#server = new Server({
      "grpc.max_receive_message_length": limits.grpcMessageBytesMax,
      "grpc.max_concurrent_streams": limits.connectionStreamsMax,
      "grpc.keepalive_time_ms": limits.keepaliveIntervalMs,
      "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
      // Costs two objects a call, and nobody asks it.
      "grpc.enable_channelz": 0,
      interceptors: [
        ...(options.calls === undefined ? [] : [watching(options.calls)]),
        coalescing,
        ...(options.interceptors ?? []),
        // The nearest to the handlers, so that the others see what it answers too.
        ...(gate === undefined ? [] : [authorizing(gate, this.#connections)]),
      ],
    });
    const services = this.#services();
    services.addService(LOG_METHODS, { ...this.#service.handlers() });
    if (options.control !== undefined) {
      const told = observer ?? silentObserver;
      this.#cluster = new ClusterService(options.control, options.tails.log, told);
      services.addService(CLUSTER_METHODS, { ...this.#cluster.handlers() });
    }
    this.#health.addToServer(services);
    reflection().addToServer(services);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    widenWindows(this.#server);
    this.#connections.watch(this.#server);
  }

  /** Paths of everything that can be called. */
  get methods(): readonly string[] {
    return [...this.#methods];
  }

  /** Serves a connection whose first bytes are HTTP/2's preface. */
  accept(socket: Duplex): void {
    if (this.#closing !== undefined) {
      // The library would take it, and never answer.
      socket.destroy();
      return;
    }
    this.#connections.accept(socket, (accepted) => this.#injector.injectConnection(accepted));
  }

  /** What health checks are told. */
  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  /**
   * Takes no new calls, ends those who follow the log, answers what was asked, and cuts after
   * `timeoutMs` what still runs then.
   */
  drain(timeoutMs: number = limits.drainTimeoutMs): Promise<void> {
    this.#closing ??= this.#drain(timeoutMs);
    return this.#closing;
  }

  /** Cuts whatever runs. */
  async close(): Promise<void> {
    const drained = this.drain(0);
    this.#cut();
    await drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What services are added to: the library's server, and the list of what it serves. */
  #services(): Pick<Server, "addService"> {
    return {
      addService: (definition, handlers) => {
        for (const { path } of Object.values(definition)) this.#methods.add(path);
        this.#server.addService(definition, handlers);
      },
    };
  }

  /** Without channelz the library's own `forceShutdown` knows no session to cut. */
  #cut(): void {
    this.#connections.cut();
  }

  async #drain(timeoutMs: number): Promise<void> {
    const goodbye = new ProglogError("UNAVAILABLE", "the server is shutting down", {
      notAppended: true,
    });
    this.#health.setServing(false);
    this.#health.close();
    this.#service.stop(goodbye);
    this.#cluster?.stop(goodbye);
    this.#tails.close(goodbye);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#cut();
        resolve();
      }, timeoutMs);
      void this.#connections.dismiss().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    // No connection is left, and the library lets go of what it still holds.
    this.#server.forceShutdown();
    this.#connections.close();
  }
}

/** Of hand-made definitions the library needs only the descriptors of the files. */
function reflection(): ReflectionService {
  const format = "Protocol Buffer 3 DescriptorProto";
  const fileDescriptorProtos = [
    LOG_FILE_DESCRIPTOR,
    CLUSTER_FILE_DESCRIPTOR,
    ...healthFileDescriptors(),
  ];
  return new ReflectionService({ files: { format, type: {}, fileDescriptorProtos } });
}
