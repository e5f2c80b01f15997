import { silentObserver, systemClock, systemRandom } from "../base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  Clock,
  Observer,
  ProducerIdentity,
  Random,
  RecordInput,
} from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import { ForwardedAppends } from "./forwarded.ts";
import type { ResumeTrace } from "./forwarded.ts";
import { Forwarder } from "./forwarding.ts";
import type { AskLeader } from "./forwarding.ts";
import { LeaderWait } from "./leader-wait.ts";
import type { ServersInfo } from "./options.ts";
import type { Replica } from "./replica.ts";

export interface ForwardingLogOptions {
  readonly ask: AskLeader;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly observer?: Observer | undefined;
  readonly resumeTrace?: ResumeTrace | undefined;
  /** The default is `setImmediate`. */
  readonly schedule?: ((task: () => void) => void) | undefined;
}

/** The log of a whole cluster, as a client of any server sees it: appends find the leader, reads are local. */
export class ForwardingLog {
  readonly name: string;
  readonly #replica: Replica;
  readonly #forwarder: Forwarder;
  readonly #forwarded: ForwardedAppends;
  readonly #wait: LeaderWait;

  constructor(replica: Replica, options: ForwardingLogOptions) {
    this.name = replica.name;
    this.#replica = replica;
    const { ask, clock = systemClock, observer = silentObserver } = options;
    const {
      random = systemRandom,
      schedule = (task: () => void): void => void setImmediate(task),
    } = options;
    this.#forwarder = new Forwarder({ local: replica, ask, clock, random, observer, schedule });
    this.#forwarded = new ForwardedAppends({
      ...{ local: replica, clock, observer },
      resumeTrace: options.resumeTrace,
    });
    this.#wait = new LeaderWait(replica, clock);
  }

  /** Answers appends that another server has handed on to this one. */
  answer(payload: Uint8Array, from: ReplicaId): Promise<Uint8Array> {
    return this.#forwarded.answer(payload, from);
  }

  append(record: RecordInput, options: AppendOptions = {}): Promise<AppendAnswer> {
    return this.#wait.run(() => this.#forwarder.append(record, options), options);
  }

  appendBatch(batch: Uint8Array, options: AppendOptions = {}): Promise<AppendAnswer> {
    return this.#wait.run(() => this.#forwarder.appendBatch(batch, options), options);
  }

  createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity> {
    return this.#wait.run(() => this.#forwarder.createProducer(name, signal), { signal });
  }

  get lowestOffset(): number {
    return this.#replica.lowestOffset;
  }

  get highWatermark(): number {
    return this.#replica.highWatermark;
  }

  read(offset: number, maxBytes: number, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    return this.#replica.read(offset, maxBytes, signal);
  }

  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined {
    return this.#replica.readCached(offset, maxBytes);
  }

  readBarrier(signal?: AbortSignal): Promise<void> {
    return this.#replica.readBarrier(signal);
  }

  offsetAtTime(timestampMs: number, signal?: AbortSignal): Promise<number | undefined> {
    return this.#replica.offsetAtTime(timestampMs, signal);
  }

  onCommit(listener: () => void): () => void {
    return this.#replica.onCommit(listener);
  }

  servers(): ServersInfo {
    return this.#replica.servers();
  }
}
