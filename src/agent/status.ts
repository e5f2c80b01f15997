import type { ProglogError } from "../base/index.ts";
import type { ServerDescription } from "../replica/index.ts";
import type { CommitLog } from "../server/index.ts";
import type { DataLog } from "./data-log.ts";
import type { AgentConfig } from "./settings.ts";

type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** What a server says of itself: to health checks, to clients who ask for servers, in metrics. */
export class Status {
  readonly #config: AgentConfig;
  readonly #onFailure: (error: ProglogError) => void;
  #data: DataLog | undefined;
  #rpcAddress = "";
  #httpAddress = "";
  /** Why the process is not ready: it starts, ends, or has failed. */
  #reason: string | undefined = "the server is starting";
  /** Why it stands where it may not be given work. */
  #standing: string | undefined;
  #wasReady = false;
  #listener: ((isReady: boolean) => void) | undefined;

  constructor(config: AgentConfig, onFailure: ((error: ProglogError) => void) | undefined) {
    this.#config = config;
    this.#onFailure = onFailure ?? ((): void => undefined);
  }

  opened(data: DataLog): void {
    this.#data = data;
  }

  /** Why this server, among the others, may not be given work; undefined when it may. */
  stands(reason: string | undefined): void {
    this.#standing = reason;
    this.#tell();
  }

  /** Everything runs: from now on the server is ready, if it stands well. */
  listening(rpcAddress: string, httpAddress: string | undefined): void {
    const advertised = this.advertised(rpcAddress, httpAddress);
    this.#rpcAddress = advertised.rpcAddress;
    this.#httpAddress = advertised.httpAddress;
    this.#become(undefined);
  }

  /** The addresses that others are told. */
  advertised(
    rpcAddress: string,
    httpAddress: string | undefined,
  ): { readonly rpcAddress: string; readonly httpAddress: string } {
    const { advertiseRpcAddr, advertiseHttpAddr } = this.#config;
    return {
      rpcAddress: advertiseRpcAddr || rpcAddress,
      httpAddress: advertiseHttpAddr || (httpAddress ?? ""),
    };
  }

  closing(): void {
    this.#become("the server is shutting down");
  }

  failed(error: ProglogError): void {
    this.#become(error.message);
    this.#onFailure(error);
  }

  /** Called at once, and at each change. */
  onChange(listener: (isReady: boolean) => void): void {
    this.#listener = listener;
    this.#wasReady = this.readiness.ready;
    listener(this.#wasReady);
  }

  get readiness(): Readiness {
    const reason = this.#reason ?? this.#standing;
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  describe(): ServerDescription {
    const { clusterId = "", name = "" } = this.#data?.directory.meta ?? {};
    return {
      clusterId,
      id: name,
      rpcAddress: this.#rpcAddress,
      httpAddress: this.#httpAddress,
      fsyncRelaxed: this.#config.fsync === "relaxed",
    };
  }

  /** What is true at this moment, for whoever looks at the metrics. */
  gauges(commitLog: CommitLog): Record<string, number> {
    return {
      ready: this.readiness.ready ? 1 : 0,
      log_lowest_offset: commitLog.lowestOffset,
      log_next_offset: commitLog.highWatermark,
      log_size_bytes: this.#data?.log.sizeBytes ?? 0,
      log_segments: this.#data?.log.segmentCount ?? 0,
      producers: this.#data?.producers.size ?? 0,
      ...this.#leadership(commitLog),
      fsync_relaxed: this.#config.fsync === "relaxed" ? 1 : 0,
    };
  }

  #leadership(commitLog: CommitLog): Record<string, number> {
    const { term, servers } = commitLog.servers();
    const own = this.describe().id;
    const leads = servers.some(({ id, isLeader }) => isLeader && id === own);
    return { term, leader: leads ? 1 : 0 };
  }

  #become(reason: string | undefined): void {
    this.#reason = reason;
    this.#tell();
  }

  #tell(): void {
    const { ready } = this.readiness;
    if (ready === this.#wasReady) return;
    this.#wasReady = ready;
    this.#listener?.(ready);
  }
}
