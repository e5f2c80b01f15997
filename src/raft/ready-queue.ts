import { assert } from "../base/index.ts";
import type { Core } from "./core.ts";
import type { Entry } from "./entry.ts";
import type { Message, StorageAppendResponse, StorageResponse } from "./message.ts";
import type { Ready, SoftState, StorageApply } from "./ready.ts";
import type { HardState, Snapshot } from "./storage.ts";

/**
 * Hands out what is to be done, each thing once, in the one order that is safe: durable, then said,
 * then applied (thesis 3.8).
 */
export class ReadyQueue {
  readonly #core: Core;
  #softState: SoftState;
  #hardState: HardState;
  /** Synchronous mode: own answers that count once the last `Ready` is done. */
  #onAdvance: StorageResponse[] = [];
  #isOut = false;

  constructor(core: Core) {
    this.#core = core;
    this.#softState = core.softState;
    this.#hardState = core.hardState;
  }

  get hasReady(): boolean {
    const core = this.#core;
    return (
      core.messages.length > 0 ||
      core.messagesAfterAppend.length > 0 ||
      core.readStates.length > 0 ||
      core.log.unstable.hasNext ||
      core.log.hasNextCommitted(!core.settings.asynchronousStorage) ||
      this.#newSoftState() !== undefined ||
      this.#newHardState() !== undefined
    );
  }

  take(): Ready {
    const core = this.#core;
    const { asynchronousStorage } = core.settings;
    assert(!this.#isOut, "a Ready is done before the next one is taken");
    const softState = this.#newSoftState();
    const hardState = this.#newHardState();
    const entries = core.log.unstable.nextEntries();
    const snapshot = core.log.unstable.nextSnapshot();
    const committedEntries = core.log.nextCommitted(!asynchronousStorage);
    const promises = core.messagesAfterAppend;
    const hasTask =
      entries.length > 0 ||
      hardState !== undefined ||
      snapshot !== undefined ||
      promises.length > 0;
    // Synchronous storage has nothing on its way once this is done, whatever it is.
    const acknowledgement =
      hasTask || !asynchronousStorage ? this.#acknowledgement(snapshot) : undefined;
    const responses: readonly StorageResponse[] =
      acknowledgement === undefined ? promises : [...promises, acknowledgement];
    const storageApply = this.#storageApply(committedEntries);
    const ready: Ready = {
      softState,
      hardState,
      readStates: core.readStates,
      entries,
      snapshot,
      committedEntries,
      messages: asynchronousStorage
        ? core.messages
        : [...core.messages, ...responses.filter((response) => this.#isForOthers(response))],
      mustSync: entries.length > 0 || this.#mustSync(hardState),
      storageAppend:
        asynchronousStorage && hasTask ? { hardState, entries, snapshot, responses } : undefined,
      storageApply: asynchronousStorage ? storageApply : undefined,
    };
    if (!asynchronousStorage) {
      this.#isOut = true;
      this.#onAdvance = [
        ...responses.filter((response) => !this.#isForOthers(response)),
        ...(storageApply?.responses ?? []),
      ];
    }
    this.#accept(ready);
    return ready;
  }

  /** What the last `Ready` sets free here, now that it is done. */
  advance(): readonly StorageResponse[] {
    assert(!this.#core.settings.asynchronousStorage, "asynchronous storage answers by itself");
    assert(this.#isOut, "a Ready is taken before it is done");
    this.#isOut = false;
    const responses = this.#onAdvance;
    this.#onAdvance = [];
    return responses;
  }

  #accept({ softState, hardState, committedEntries }: Ready): void {
    const core = this.#core;
    this.#softState = softState ?? this.#softState;
    this.#hardState = hardState ?? this.#hardState;
    core.readStates = [];
    core.messages = [];
    core.messagesAfterAppend = [];
    core.log.unstable.accept();
    core.log.acceptApplying(committedEntries, !core.settings.asynchronousStorage);
  }

  #newSoftState(): SoftState | undefined {
    const core = this.#core;
    const { leader, role } = this.#softState;
    return core.leader === leader && core.role.name === role ? undefined : core.softState;
  }

  #newHardState(): HardState | undefined {
    const core = this.#core;
    const { term, vote, commit } = this.#hardState;
    const same = core.term === term && core.vote === vote && core.log.committed === commit;
    return same ? undefined : core.hardState;
  }

  /** A newer commit alone may be lost. */
  #mustSync(hardState: HardState | undefined): boolean {
    if (hardState === undefined) return false;
    return hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote;
  }

  #isForOthers(response: StorageResponse): response is Message {
    return response.to !== this.#core.id;
  }

  /**
   * Asks to be told when the log is durable up to its present end. The answer carries the term of
   * now: entries can be replaced by others, and those by the first again, while storage still works on
   * the second (A-B-A), but not within one term. Because an answer of an older term is worth nothing,
   * every task asks for one while anything is unacknowledged, not only those with entries.
   */
  #acknowledgement(snapshot: Snapshot | undefined): StorageAppendResponse | undefined {
    const { log, id, term } = this.#core;
    const waits = log.unstable.count > 0;
    if (!waits && snapshot === undefined) return undefined;
    const last = waits ? log.last() : { index: 0, term: 0 };
    return {
      kind: "storageAppendResponse",
      from: id,
      to: id,
      term,
      index: last.index,
      indexTerm: last.term,
      snapshot,
    };
  }

  #storageApply(entries: readonly Entry[]): StorageApply | undefined {
    if (entries.length === 0) return undefined;
    const { id } = this.#core;
    return {
      entries,
      responses: [{ kind: "storageApplyResponse", from: id, to: id, term: 0, entries }],
    };
  }
}
