import { below, limits, ProglogError, systemClock, systemRandom } from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer, Random } from "../base/index.ts";
import { newClusterId } from "../log/index.ts";
import {
  decide,
  decodeBootstrapState,
  decodeProposal,
  encodeBootstrap,
  grant,
  IDLE,
  outcomeOf,
  planBootstrap,
} from "../replica/index.ts";
import type { BootstrapState, Outcome, Proposal, Waiting } from "../replica/index.ts";
import type { PeerCalls } from "../transport/index.ts";

export interface BootstrapperParts {
  readonly own: ConfigurationMember;
  /** For how many servers this one waits. 0: for none, it only answers. */
  readonly expect: number;
  readonly calls: Pick<PeerCalls, "call" | "handle">;
  /** The other servers that gossip calls alive. */
  readonly seen: () => readonly ConfigurationMember[];
  /** This server belongs to a cluster, or has a log. */
  readonly hasState: () => boolean;
  /** What this server is bound by, kept. `save` resolves once it is durable. */
  readonly store: {
    readonly load: () => Promise<Uint8Array | undefined>;
    readonly save: (bytes: Uint8Array) => Promise<void>;
  };
  /** The cluster is made: takes part in it from now on, durably. May be told again after a crash. */
  readonly adopt: (proposal: Proposal) => Promise<void>;
  readonly onFailure: (error: ProglogError) => void;
  readonly observer: Observer;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

const OUTCOMES: readonly Outcome[] = ["open", "aborted", "committed"];

/**
 * Makes one cluster of servers that were told to expect each other, out of nothing: the first by name
 * proposes, all that it names must say yes, and only then it is so (`replica/bootstrap.ts` decides).
 * Everything that binds is durable before it is said. Who said yes asks the proposer, for ever, what
 * came of it; who proposed and was killed before it had decided, decides against it.
 */
export class Bootstrapper {
  readonly #parts: BootstrapperParts;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ended = new AbortController();
  #state: BootstrapState = IDLE;
  /** One change at a time: what is said follows from what is durable. */
  #turn: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;
  #adopting: Promise<void> | undefined;
  #told = "";

  private constructor(parts: BootstrapperParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#random = parts.random ?? systemRandom;
  }

  /** What was agreed on before is in force when this resolves; from then on others are answered. */
  static async open(parts: BootstrapperParts): Promise<Bootstrapper> {
    const bootstrapper = new Bootstrapper(parts);
    const bytes = await parts.store.load();
    if (bytes !== undefined) bootstrapper.#state = decodeBootstrapState(bytes);
    const state = bootstrapper.#state;
    // A directory whose log was removed may still hold the word of the replica that was there before:
    // this one takes no part in what that one agreed to.
    const isOwn = state.kind === "idle" || isNamed(parts.own, state.proposal);
    if (state.kind === "proposed" || !isOwn) await bootstrapper.#save(IDLE);
    else if (state.kind === "committed") await bootstrapper.#adopt(state.proposal);
    bootstrapper.#answer();
    return bootstrapper;
  }

  /**
   * Does something, like coming into a cluster, that a server may not do while its word to others
   * binds it; meanwhile it gives no word. False: it is bound, and nothing was done.
   */
  whenFree(work: () => Promise<void>): Promise<boolean> {
    const turn = this.#turn.then(async () => {
      if (this.#state.kind !== "idle") return false;
      await work();
      return true;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Looks for others, until this server belongs to a cluster. */
  begin(): void {
    if (this.#running !== undefined || this.#parts.hasState()) return;
    if (this.#ended.signal.aborted) return;
    if (this.#parts.expect === 0 && this.#state.kind === "idle") return;
    this.#running = this.#run().catch((error: unknown) => {
      if (!(error instanceof ProglogError)) throw error;
      if (!this.#ended.signal.aborted) this.#parts.onFailure(error);
    });
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#running;
    await this.#turn;
    await this.#adopting?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    for (;;) {
      await this.#pause();
      if (signal.aborted || this.#parts.hasState()) return;
      if (this.#state.kind === "granted") await this.#askOutcome(this.#state.proposal);
      else await this.#look();
    }
  }

  /** Not all at the same time: two that propose at once keep each other from it. */
  #pause(): Promise<void> {
    const { bootstrapPauseMs } = limits;
    const ms = bootstrapPauseMs / 2 + below(this.#random, bootstrapPauseMs);
    return new Promise((resolve) => {
      const { signal } = this.#ended;
      const end = (): void => {
        signal.removeEventListener("abort", end);
        cancel();
        resolve();
      };
      const cancel = this.#clock.after(ms, end);
      signal.addEventListener("abort", end);
    });
  }

  async #look(): Promise<void> {
    const { own, expect, seen } = this.#parts;
    const asked = seen();
    const answers = await Promise.all(asked.map((member) => this.#ask(member)));
    const known = answers.filter((answer) => answer !== undefined);
    const answered = new Set(known.map(({ member }) => member.replicaId));
    // Who cannot be asked, or was not yet, may have a cluster.
    const open = new Set([...asked, ...seen()].map(({ replicaId }) => replicaId));
    const silent = [...open].filter((replicaId) => !answered.has(replicaId)).length;
    const plan = planBootstrap({ member: own, expect, hasState: false }, known);
    if (plan.kind === "wait") this.#tell(plan.reason);
    else if (silent > 0) this.#tell(`${silent} servers are seen, and do not answer`);
    else if (plan.kind === "propose") await this.#propose(plan.members);
    else this.#tell(`${plan.members[0]?.name ?? "nobody"} is to make the cluster`);
  }

  async #propose(members: readonly ConfigurationMember[]): Promise<void> {
    const { own, observer } = this.#parts;
    const clusterId = newClusterId(this.#random);
    const proposal: Proposal = { clusterId, proposer: own, members };
    // While others were asked, a leader may have let this server in.
    const bound = await this.#change((state) =>
      state.kind === "idle" && !this.#parts.hasState() ? { kind: "proposed", proposal } : state,
    );
    if (bound.kind !== "proposed") return;
    const asked = members.filter(({ replicaId }) => replicaId !== own.replicaId);
    const answers = await Promise.all(asked.map((member) => this.#askGrant(member, proposal)));
    const isAgreed = answers.every(Boolean);
    const decided: BootstrapState = isAgreed ? { kind: "committed", proposal } : IDLE;
    await this.#change(() => decided);
    const names = members.map(({ name }) => name).join(",");
    const event = isAgreed ? "cluster.made" : "cluster.not-agreed";
    observer.log("info", event, { cluster_id: clusterId, members: names });
    if (isAgreed) await this.#adopt(proposal);
    const outcome = encodeOutcome(clusterId, isAgreed ? "committed" : "aborted");
    // A help: who does not hear it asks.
    await Promise.all(asked.map((member) => this.#call(member, "bootstrapDecide", outcome)));
  }

  async #askGrant(member: ConfigurationMember, proposal: Proposal): Promise<boolean> {
    const answer = await this.#call(member, "bootstrapGrant", encodeBootstrap(proposal));
    return answer?.[0] === 1;
  }

  async #askOutcome({ proposer, clusterId }: Proposal): Promise<void> {
    const answer = await this.#call(proposer, "bootstrapOutcome", Buffer.from(clusterId, "hex"));
    const outcome = OUTCOMES[answer?.[0] ?? 0] ?? "open";
    if (outcome === "open") this.#tell(`${proposer.name} has not decided yet`);
    else await this.#decide(clusterId, outcome);
  }

  async #ask(member: ConfigurationMember): Promise<Waiting | undefined> {
    const answer = await this.#call(member, "bootstrapAsk", new Uint8Array(0));
    if (answer?.length !== 2) return undefined;
    const [hasState = 0, expect = 0] = answer;
    return { member, expect, hasState: hasState === 1 };
  }

  /** The answer; undefined when there is none, for whatever reason. */
  async #call(
    to: ConfigurationMember,
    method: Parameters<PeerCalls["call"]>[1],
    payload: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const options = { timeoutMs: limits.bootstrapCallTimeoutMs, signal: this.#ended.signal };
    try {
      return await this.#parts.calls.call(to, method, payload, options);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      return undefined;
    }
  }

  #answer(): void {
    const { calls, own, expect, hasState } = this.#parts;
    calls.handle("bootstrapAsk", () => Uint8Array.of(hasState() ? 1 : 0, expect));
    calls.handle("bootstrapGrant", async (payload, caller) => {
      const proposal = decodeProposal(payload);
      const { name, replicaId } = proposal.proposer;
      if (replicaId !== caller.replicaId || name !== caller.name) return Uint8Array.of(0);
      const said = { granted: false };
      await this.#change((before) => {
        const { granted, state } = grant(before, proposal, { ...own, hasState: hasState() });
        said.granted = granted;
        return state;
      });
      return Uint8Array.of(said.granted ? 1 : 0);
    });
    calls.handle("bootstrapDecide", async (payload, caller) => {
      const { clusterId, outcome } = decodeOutcome(payload);
      const state = this.#state;
      const isProposer =
        state.kind === "granted" && state.proposal.proposer.replicaId === caller.replicaId;
      if (isProposer) await this.#decide(clusterId, outcome);
      return new Uint8Array(0);
    });
    calls.handle("bootstrapOutcome", (payload) => {
      const outcome = outcomeOf(this.#state, Buffer.from(payload).toString("hex"));
      return Uint8Array.of(OUTCOMES.indexOf(outcome));
    });
  }

  async #decide(clusterId: string, outcome: Outcome): Promise<void> {
    const state = await this.#change((before) => decide(before, clusterId, outcome));
    if (state.kind === "committed") await this.#adopt(state.proposal);
  }

  #adopt(proposal: Proposal): Promise<void> {
    this.#adopting ??= this.#parts.adopt(proposal).catch((error: unknown) => this.#failed(error));
    return this.#adopting;
  }

  /** The next state, durable when this resolves. */
  #change(next: (state: BootstrapState) => BootstrapState): Promise<BootstrapState> {
    const turn = this.#turn.then(async () => {
      const state = next(this.#state);
      if (state !== this.#state) await this.#save(state);
      return this.#state;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #save(state: BootstrapState): Promise<void> {
    try {
      await this.#parts.store.save(encodeBootstrap(state));
    } catch (error) {
      // What this server is bound by after its next start is not known: it may say nothing more.
      this.#failed(error);
    }
    this.#state = state;
  }

  #failed(error: unknown): never {
    const failure = ProglogError.from(error, "STORAGE_FAILED");
    this.#ended.abort();
    this.#parts.onFailure(failure);
    throw failure;
  }

  /** Once, until it is something else. */
  #tell(reason: string): void {
    if (reason === this.#told) return;
    this.#told = reason;
    this.#parts.observer.log("info", "cluster.waits", { reason });
  }
}

function encodeOutcome(clusterId: string, outcome: Outcome): Uint8Array {
  return Buffer.concat([Buffer.from(clusterId, "hex"), Buffer.of(OUTCOMES.indexOf(outcome))]);
}

function decodeOutcome(payload: Uint8Array): { clusterId: string; outcome: Outcome } {
  const bytes = Buffer.from(payload);
  const outcome = OUTCOMES[bytes[16] ?? 0] ?? "open";
  return { clusterId: bytes.subarray(0, 16).toString("hex"), outcome };
}

function isNamed({ replicaId }: ConfigurationMember, { members }: Proposal): boolean {
  return members.some((member) => member.replicaId === replicaId);
}
