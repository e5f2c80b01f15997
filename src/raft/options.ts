import { assert, type Random } from "../base/index.ts";
import type { ReplicaId } from "./entry.ts";
import type { RaftObserver } from "./event.ts";
import type { Storage } from "./storage.ts";

export interface RaftOptions {
  readonly id: ReplicaId;
  readonly storage: Storage;
  readonly random: Random;
  /** Ticks without a leader until a replica campaigns; it waits up to twice as long, at random. */
  readonly electionTimeoutTicks: number;
  readonly heartbeatTicks: number;
  /** The last index that the driver has applied; not handed out again. Default: the log's prefix. */
  readonly applied?: number;
  /** Storage acknowledges later, through `Ready.storageAppend`. Default: false. */
  readonly asynchronousStorage?: boolean;
  /** Ask before raising the term (thesis 9.6). Default: false; a cluster wants it. */
  readonly preVote?: boolean;
  /** A leader that hears no quorum resigns, and votes respect a living leader. Default: false. */
  readonly checkQuorum?: boolean;
  /** A leader that is removed, or made a learner, steps down when that is applied. Default: false. */
  readonly stepDownOnRemoval?: boolean;
  /** `lease` answers reads without a round, on the word of clocks; needs `checkQuorum`. Default: `safe`. */
  readonly reads?: "safe" | "lease";
  /** Followers hand proposals on to the leader. Default: true. */
  readonly forwardProposals?: boolean;
  /** Only conformance turns this off: configuration changes are then not checked when proposed. */
  readonly validateConfigurationChanges?: boolean;
  /** Entries of one message; at least one is sent. Default: no limit, as all below. */
  readonly messageBytesMax?: number;
  /** Committed entries of one `Ready`; at least one is handed out. Default: `messageBytesMax`. */
  readonly committedBytesMax?: number;
  /** Entries that a leader has not committed yet; beyond it proposals are refused. */
  readonly uncommittedBytesMax?: number;
  /** Appends on their way to one follower. */
  readonly inflightMessagesMax?: number;
  /** The same in bytes of entries. */
  readonly inflightBytesMax?: number;
  /** A task of storage that takes longer ends a leadership, and forbids a campaign. Default: 0, never. */
  readonly storageTimeoutTicks?: number;
  /** This replica may have lost what it acknowledged. Default: false. */
  readonly damaged?: boolean;
  readonly observe?: RaftObserver;
}

/** The options with every default filled in. */
export type Settings = Required<Omit<RaftOptions, "storage" | "applied">>;

export function settingsOf(options: RaftOptions): Settings {
  const messageBytesMax = options.messageBytesMax ?? Number.MAX_SAFE_INTEGER;
  const settings: Settings = {
    id: options.id,
    random: options.random,
    electionTimeoutTicks: options.electionTimeoutTicks,
    heartbeatTicks: options.heartbeatTicks,
    asynchronousStorage: options.asynchronousStorage ?? false,
    preVote: options.preVote ?? false,
    checkQuorum: options.checkQuorum ?? false,
    stepDownOnRemoval: options.stepDownOnRemoval ?? false,
    reads: options.reads ?? "safe",
    forwardProposals: options.forwardProposals ?? true,
    validateConfigurationChanges: options.validateConfigurationChanges ?? true,
    messageBytesMax,
    committedBytesMax: options.committedBytesMax ?? messageBytesMax,
    uncommittedBytesMax: options.uncommittedBytesMax ?? Number.MAX_SAFE_INTEGER,
    inflightMessagesMax: options.inflightMessagesMax ?? Number.MAX_SAFE_INTEGER,
    inflightBytesMax: options.inflightBytesMax ?? Number.MAX_SAFE_INTEGER,
    storageTimeoutTicks: options.storageTimeoutTicks ?? 0,
    damaged: options.damaged ?? false,
    observe: options.observe ?? (() => undefined),
  };
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: Settings): void {
  assert(Number.isSafeInteger(settings.id) && settings.id > 0, "a replica id is above 0");
  assert(settings.heartbeatTicks > 0, "heartbeats take at least one tick");
  assert(
    settings.electionTimeoutTicks > settings.heartbeatTicks,
    "an election timeout is longer than a heartbeat",
  );
  assert(settings.inflightMessagesMax > 0, "at least one message may be in flight");
  assert(
    settings.inflightBytesMax >= settings.messageBytesMax ||
      settings.inflightBytesMax === Number.MAX_SAFE_INTEGER,
    "a whole message may be in flight",
  );
  assert(settings.reads === "safe" || settings.checkQuorum, "leases need check-quorum");
}
