import type { Clock, ProglogError } from "../base/index.ts";
import type { CommitLog } from "./commit-log.ts";
import type { HttpLimits } from "./http-limits.ts";
import type { Tails } from "./tails.ts";

/** Whether this server should be given work; the reason is for operators. */
export type Readiness = { readonly ready: true } | { readonly ready: false; reason: string };

/** What ends before its reader wants it to, when the gateway closes. */
export interface OpenStream {
  stop(error: ProglogError): void;
}

/** What the handlers of a gateway work with. */
export interface GatewayContext {
  readonly log: CommitLog;
  readonly tails: Tails;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly streams: Set<OpenStream>;
  readonly readiness: () => Readiness;
  /** In Prometheus' text format. */
  readonly metrics: (() => string | Promise<string>) | undefined;
}
