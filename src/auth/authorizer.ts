import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { ProglogError } from "../base/index.ts";
import { identityOf } from "./identity.ts";
import type { Identity, IdentityRules } from "./identity.ts";
import type { Action, Policy } from "./policy.ts";
import type { Current } from "./reloaded.ts";

/** What denials name in place of a log, as in the book: the policy allows neither this one nor all. */
const ANY_LOG = "*";

export interface AuthorizerOptions {
  /** Asked for each connection, since authorities change. */
  readonly rules: () => IdentityRules;
  /** Absent: every client may do everything. */
  readonly policy?: Current<Policy> | undefined;
}

/** The last one about a list of actions: a server has one log, so there is no other. */
interface Decision {
  readonly log: string;
  readonly refusal: ProglogError | undefined;
}

/** Who is at the other end of one connection, and what he may do. */
export class AuthorizedCaller {
  readonly identity: Identity;
  /** Where the connection comes from: `address:port`. */
  readonly peer: string;
  readonly #policy: Current<Policy> | undefined;
  /** Of one version of the policy, by the list of actions that was asked for. */
  readonly #decisions = new Map<readonly Action[], Decision>();
  #version = 0;

  constructor(identity: Identity, peer: string, policy: Current<Policy> | undefined) {
    this.identity = identity;
    this.peer = peer;
    this.#policy = policy;
  }

  /** For log lines. */
  get subject(): string {
    return this.identity.subject;
  }

  /**
   * Why the caller may do none of these on a log; undefined when he may do one of them, or when there
   * are none and nobody is asked. The list is taken as a constant: the same one is the same question.
   */
  refusal(actions: readonly Action[], log: string): ProglogError | undefined {
    const version = this.#policy?.version ?? 0;
    if (version !== this.#version) {
      this.#version = version;
      this.#decisions.clear();
    }
    const known = this.#decisions.get(actions);
    if (known?.log === log) return known.refusal;
    const refusal = actions.length === 0 ? undefined : this.#decide(actions, log);
    this.#decisions.set(actions, { log, refusal });
    return refusal;
  }

  #decide(actions: readonly Action[], log: string): ProglogError | undefined {
    const { identity } = this;
    if (identity.kind === "nobody") return refused("UNAUTHENTICATED", identity.reason);
    if (identity.kind === "peer") {
      const sentence = `${identity.subject} is a server of the cluster, and no client`;
      return refused("PERMISSION_DENIED", sentence);
    }
    if (this.#policy === undefined) return undefined;
    if (identity.kind === "anonymous") return refused("UNAUTHENTICATED", identity.reason);
    const policy = this.#policy.value;
    const { subject } = identity;
    const isAllowed = actions.some(
      (action) => policy.allows(subject, log, action) || policy.allows(subject, ANY_LOG, action),
    );
    if (isAllowed) return undefined;
    const sentence = `${subject} not permitted to ${actions.join(" or ")} to ${ANY_LOG}`;
    return refused("PERMISSION_DENIED", sentence);
  }
}

/** Says of every connection who it is and what it may do. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #callers = new WeakMap<Duplex, AuthorizedCaller>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  callerOf(socket: Duplex): AuthorizedCaller {
    const known = this.#callers.get(socket);
    if (known !== undefined) return known;
    const peer = addressOf(socket);
    const caller = new AuthorizedCaller(this.#identify(socket), peer, this.#options.policy);
    this.#callers.set(socket, caller);
    return caller;
  }

  /** Calls back after each change of the policy; the result unsubscribes. */
  onChange(listener: () => void): () => void {
    return this.#options.policy?.onChange(listener) ?? ((): void => undefined);
  }

  #identify(socket: Duplex): Identity {
    if (!(socket instanceof TLSSocket)) return anonymous("no transport security being used");
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    if (certificate === undefined) return anonymous("no client certificate");
    return identityOf(certificate, this.#options.rules());
  }
}

function addressOf(socket: Duplex): string {
  const { remoteAddress = "unknown", remotePort = 0 } = socket as Partial<Socket>;
  return `${remoteAddress}:${remotePort}`;
}

function anonymous(reason: string): Identity {
  return { kind: "anonymous", subject: "anonymous", reason };
}

function refused(code: "UNAUTHENTICATED" | "PERMISSION_DENIED", sentence: string): ProglogError {
  return new ProglogError(code, sentence, { notAppended: true });
}
