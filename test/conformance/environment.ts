/** Some replicas with their storages, and the messages between them, moved by hand. */
import { seededRandom } from "../../src/base/index.ts";
import {
  type Entry,
  type HardState,
  type Message,
  Raft,
  type RaftEvent,
  type RaftOptions,
  type Snapshot,
  type StepResult,
  type StorageAppend,
  type StorageApply,
  type StorageResponse,
} from "../../src/raft/index.ts";
import { MemoryStorage, NOBODY } from "../../src/raft/testing/memory-storage.ts";
import {
  formatConfiguration,
  formatMessage,
  formatReady,
  formatStorageAppend,
  formatStorageApply,
  MESSAGE_TYPES,
} from "./format.ts";
import { Output } from "./output.ts";

/** As a storage that answers with whatever the state machine has applied last. */
class HistoryStorage extends MemoryStorage {
  /** One snapshot per applied entry: the state machine appends payloads to its state. */
  readonly history: Snapshot[] = [];

  override snapshot(): Snapshot | undefined {
    return this.history.at(-1);
  }
}

export interface TestReplica {
  readonly raft: Raft;
  readonly storage: HistoryStorage;
  readonly isAsynchronous: boolean;
  readonly appendWork: StorageAppend[];
  readonly applyWork: StorageApply[];
}

export interface Recipient {
  readonly id: number;
  readonly drop: boolean;
}

export type TestOptions = Omit<RaftOptions, "id" | "storage" | "random" | "observe">;

const LOCAL_KINDS: ReadonlySet<string> = new Set(["storageAppendResponse", "storageApplyResponse"]);

function isLocal(message: StorageResponse): boolean {
  return message.from === message.to || LOCAL_KINDS.has(message.kind);
}

export class Environment {
  readonly output: Output = new Output();
  readonly replicas: TestReplica[] = [];
  messages: StorageResponse[] = [];

  replica(id: number): TestReplica {
    const replica = this.replicas[id - 1];
    if (replica === undefined) throw new Error(`there is no replica ${id}`);
    return replica;
  }

  add(count: number, options: TestOptions, boot: Snapshot | undefined): void {
    for (let at = 0; at < count; at++) {
      const id = this.replicas.length + 1;
      const storage = new HistoryStorage();
      if (boot !== undefined) storage.install(boot);
      storage.history.push(boot ?? { index: 0, term: 0, configuration: NOBODY, data: "" });
      const raft = new Raft({
        ...options,
        id,
        storage,
        random: seededRandom(id),
        observe: (event) => {
          this.#log(id, event);
        },
      });
      const isAsynchronous = options.asynchronousStorage ?? false;
      this.replicas.push({ raft, storage, isAsynchronous, appendWork: [], applyWork: [] });
    }
  }

  processReady(id: number): void {
    const replica = this.replica(id);
    const ready = replica.raft.ready();
    this.output.write(formatReady(id, ready));
    if (!replica.isAsynchronous) {
      persist(replica, ready.hardState, ready.entries, ready.snapshot);
      apply(replica, ready.committedEntries);
    }
    if (ready.storageAppend !== undefined) replica.appendWork.push(ready.storageAppend);
    if (ready.storageApply !== undefined) replica.applyWork.push(ready.storageApply);
    this.messages.push(...ready.messages);
    if (!replica.isAsynchronous) replica.raft.advance();
  }

  processAppend(id: number): void {
    const replica = this.replica(id);
    const work = replica.appendWork.shift();
    if (work === undefined) {
      this.output.write("no append work to perform");
      return;
    }
    this.output.write(`Processing:\n${formatStorageAppend(id, work, false)}`);
    persist(replica, work.hardState, work.entries, work.snapshot);
    this.#release(work.responses);
  }

  processApply(id: number): void {
    const replica = this.replica(id);
    const work = replica.applyWork.shift();
    if (work === undefined) {
      this.output.write("no apply work to perform");
      return;
    }
    this.output.write(`Processing:\n${formatStorageApply(id, work, false)}`);
    apply(replica, work.entries);
    this.#release(work.responses);
  }

  #release(responses: readonly StorageResponse[]): void {
    this.output.write("Responses:");
    for (const response of responses) this.output.write(formatMessage(response));
    this.messages.push(...responses);
  }

  /** How many messages were delivered or dropped. */
  deliver(recipients: readonly Recipient[], type?: string): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const isMeant = (message: StorageResponse): boolean =>
        message.to === id &&
        !(drop && isLocal(message)) &&
        (type === undefined || MESSAGE_TYPES[message.kind] === type);
      const meant = this.messages.filter(isMeant);
      this.messages = this.messages.filter((message) => !isMeant(message));
      count += meant.length;
      for (const message of meant) {
        this.output.write(`${drop ? "dropped: " : ""}${formatMessage(message)}`);
        if (!drop) this.#step(id, message);
      }
    }
    return count;
  }

  #step(id: number, message: StorageResponse): void {
    const { raft } = this.replica(id);
    if (isLocal(message)) {
      raft.stepLocal(message);
      return;
    }
    const error = errorOf(raft.step(message as Message));
    if (error !== undefined) this.output.write(error);
  }

  stabilize(ids: readonly number[]): void {
    for (let done = false; !done;) {
      done = true;
      const each = (
        title: string,
        has: (id: number) => boolean,
        act: (id: number) => void,
      ): void => {
        for (const id of ids.filter(has)) {
          this.output.write(`> ${id} ${title}`);
          this.output.indented(() => act(id));
          done = false;
        }
      };
      each(
        "handling Ready",
        (id) => this.replica(id).raft.hasReady(),
        (id) => this.processReady(id),
      );
      for (const id of ids) {
        each(
          "receiving messages",
          (other) => other === id && this.messages.some(({ to }) => to === id),
          () => this.deliver([{ id, drop: false }]),
        );
      }
      each(
        "processing append thread",
        (id) => this.replica(id).appendWork.length > 0,
        (id) => {
          while (this.replica(id).appendWork.length > 0) this.processAppend(id);
        },
      );
      each(
        "processing apply thread",
        (id) => this.replica(id).applyWork.length > 0,
        (id) => {
          while (this.replica(id).applyWork.length > 0) this.processApply(id);
        },
      );
    }
  }

  /** The six events that are compared, in the words of the data files. */
  #log(id: number, event: RaftEvent): void {
    const text = ROLE_WORDS[event.kind];
    if (text !== undefined && "term" in event) {
      this.output.log("INFO", `${id} became ${text} at term ${event.term}`);
    } else if (event.kind === "cannotCampaign" && event.reason === "unpromotable") {
      this.output.log("WARN", `${id} is unpromotable and can not campaign`);
    } else if (event.kind === "switchedConfiguration") {
      const configuration = formatConfiguration(event.configuration);
      this.output.log("INFO", `${id} switched to configuration ${configuration}`);
    } else if (event.kind === "leavingJointConfiguration") {
      const configuration = formatConfiguration(this.replica(id).raft.configuration);
      const words = "initiating automatic transition out of joint configuration";
      this.output.log("INFO", `${words} ${configuration}`);
    } else if (event.kind === "quorumLost") {
      this.output.log("WARN", `${id} stepped down to follower since quorum is not active`);
    } else if (event.kind === "refused" && event.what === "forgetLeader") {
      this.output.log("ERROR", "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    }
  }
}

const ROLE_WORDS: Partial<Readonly<Record<RaftEvent["kind"], string>>> = {
  becameFollower: "follower",
  becamePreCandidate: "pre-candidate",
  becameCandidate: "candidate",
  becameLeader: "leader",
};

const DROPPED: ReadonlySet<string> = new Set([
  "noLeader",
  "notMember",
  "transferring",
  "uncommittedLimit",
  "forwardingDisabled",
]);

/** What the data files call an error of `Step`. */
export function errorOf(result: StepResult): string | undefined {
  if (result.kind === "accepted") return undefined;
  if (result.reason === "unknownPeer") return "raft: cannot step as peer not found";
  if (DROPPED.has(result.reason)) return "raft proposal dropped";
  return `unexpected refusal: ${result.reason}`;
}

function persist(
  { storage }: TestReplica,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  if (hardState !== undefined) storage.hardState = hardState;
  if (snapshot === undefined) {
    storage.append(entries);
    return;
  }
  if (entries.length > 0) throw new Error("can't apply snapshot and entries at the same time");
  if (!storage.install(snapshot)) {
    throw new Error("requested index is older than the existing snapshot");
  }
}

function apply({ raft, storage }: TestReplica, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const last = storage.history.at(-1);
    let configuration = last?.configuration ?? NOBODY;
    let update: unknown = entry.payload ?? "";
    if (entry.kind === "configuration") {
      configuration = raft.applyConfiguration(entry.index, entry.payload);
      update = entry.payload.context ?? "";
    }
    const data = [last?.data as string | undefined, update as string].join("");
    storage.history.push({ index: entry.index, term: entry.term, configuration, data });
  }
}
