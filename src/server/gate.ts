import type { Duplex } from "node:stream";
import { limits, ProglogError, silentObserver } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { Permission } from "./permissions.ts";

/** Who is at the other end of a connection. */
export interface Caller {
  /** What he is called in log lines: plain ASCII. */
  readonly subject: string;
  /** Where he comes from: `address:port`. */
  readonly peer: string;
  /** Why he may do none of these things to a log; undefined when he may. */
  refusal(permission: Permission, log: string): ProglogError | undefined;
}

/** What the services need to know of callers. Implemented by `auth`, wired by the agent. */
export interface Authorizer {
  callerOf(socket: Duplex): Caller;
  /** Calls back when decisions may have changed; the result unsubscribes. */
  onChange(listener: () => void): () => void;
}

export interface GateOptions {
  readonly authorizer: Authorizer;
  /** The name of the log behind the services. */
  readonly log: string;
  readonly observer?: Observer | undefined;
  /** Tell of what was allowed too, not only of what was denied. */
  readonly auditAll?: boolean | undefined;
}

/** Something that was let in and is not over, such as a stream. */
export interface Guest {
  readonly caller: Caller;
  readonly permission: Permission;
  readonly method: string;
  /** He may not any more. Called at most once. */
  revoke(error: ProglogError): void;
}

/**
 * Lets calls in or not, on gRPC and on HTTP alike, and tells about it: one line a denial. When
 * permissions change, what was let in and may not be any more is ended.
 */
export class Gate {
  readonly #authorizer: Authorizer;
  readonly #log: string;
  readonly #observer: Observer;
  readonly #auditAll: boolean;
  readonly #guests = new Set<Guest>();

  constructor(options: GateOptions) {
    this.#authorizer = options.authorizer;
    this.#log = options.log;
    this.#observer = options.observer ?? silentObserver;
    this.#auditAll = options.auditAll ?? false;
    this.#authorizer.onChange(() => this.#checkAgain());
  }

  callerOf(socket: Duplex): Caller {
    return this.#authorizer.callerOf(socket);
  }

  /** Why a caller is not let in. Without a permission in the table nobody is. */
  refusal(
    caller: Caller | undefined,
    permission: Permission | undefined,
    method: string,
  ): ProglogError | undefined {
    const error = this.#decide(caller, permission);
    if (error === undefined) {
      // Probes come all day long, and nothing was decided about them.
      if (this.#auditAll && permission?.length !== 0) this.#tell("allowed", caller, method);
    } else {
      this.#tell("denied", caller, method, error);
    }
    return error;
  }

  /**
   * Asks again when the request of a call has come, which may be long after its headers. Nothing was
   * done by then.
   */
  lateRefusal(caller: Caller, permission: Permission, method: string): ProglogError | undefined {
    const error = caller.refusal(permission, this.#log);
    if (error !== undefined) this.#tell("revoked", caller, method, error);
    return error;
  }

  /** Asks again for a guest at each change of permissions, until the result is called. */
  receive(guest: Guest): () => void {
    this.#guests.add(guest);
    return () => this.#guests.delete(guest);
  }

  #decide(
    caller: Caller | undefined,
    permission: Permission | undefined,
  ): ProglogError | undefined {
    if (permission === undefined) return denied("there is no permission for it");
    if (permission.length === 0) return undefined;
    return caller === undefined
      ? denied("the connection is not known")
      : caller.refusal(permission, this.#log);
  }

  #checkAgain(): void {
    for (const guest of this.#guests) {
      const error = guest.caller.refusal(guest.permission, this.#log);
      if (error === undefined) continue;
      this.#guests.delete(guest);
      this.#tell("revoked", guest.caller, guest.method, error);
      // What of it was appended by then is not known here.
      guest.revoke(new ProglogError(error.code, error.message));
    }
  }

  #tell(
    decision: "allowed" | "denied" | "revoked",
    caller: Caller | undefined,
    method: string,
    error?: ProglogError,
  ): void {
    const level = error === undefined ? "info" : "warn";
    if (error !== undefined) this.#observer.count(`access_${decision}_total`);
    this.#observer.log(level, `access.${decision}`, {
      subject: caller?.subject,
      peer: caller?.peer,
      method: method.slice(0, limits.errorTextCharsMax),
      log: this.#log,
      code: error?.code,
      reason: error?.message,
    });
  }
}

function denied(sentence: string): ProglogError {
  return new ProglogError("PERMISSION_DENIED", sentence, { notAppended: true });
}
