import { decodeLogStart, ENTRY_TYPE } from "../log/index.ts";
import type { LogStart } from "../log/index.ts";
import type { ConfigurationEntry, Entry, Raft, StorageApply } from "../raft/index.ts";
import { resultOf } from "./configuration-entry.ts";
import { toLog } from "./entries.ts";
import type { HardStateKeeper } from "./hard-state.ts";
import type { Trimmer } from "./trimmer.ts";

export interface ApplierParts {
  readonly hard: HardStateKeeper;
  readonly trimmer: Trimmer;
  readonly core: () => Raft;
  /** Everything up to the last of these entries is applied. */
  readonly onApplied: (task: StorageApply) => void;
  /** The configuration has changed. */
  readonly onConfiguration: () => void;
  /** A change is durable and applied after some waiting: the core may have more to do. */
  readonly onWaited: () => void;
  readonly onFailed: (error: unknown) => void;
}

/**
 * The applying worker. The log is its own state, so there is little to do: a configuration is made
 * durable and given to the core, a log start is carried out; records are there already.
 */
export class Applier {
  readonly #parts: ApplierParts;
  #tasks: StorageApply[] = [];
  /** How many entries of the first task are done. */
  #done = 0;
  /** Where the log begins by those. */
  #start: LogStart | undefined;
  #waiting = false;
  #life = 0;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
  }

  get isIdle(): boolean {
    return this.#tasks.length === 0;
  }

  submit(task: StorageApply): void {
    this.#tasks.push(task);
    if (!this.#waiting) this.#pump();
  }

  /** Throws away every task: the core that gave them is gone. */
  restart(): void {
    this.#life++;
    this.#tasks = [];
    this.#done = 0;
    this.#start = undefined;
    this.#waiting = false;
  }

  #pump(): void {
    for (let task = this.#tasks[0]; task !== undefined; task = this.#tasks[0]) {
      while (this.#done < task.entries.length) {
        const entry = task.entries[this.#done] as Entry;
        if (entry.kind === "configuration" && this.#isNew(entry)) {
          void this.#applyConfiguration(entry);
          return;
        }
        if (entry.kind === "normal") this.#applyNormal(entry);
        this.#done++;
      }
      this.#tasks.shift();
      this.#done = 0;
      this.#parts.onApplied(task);
      this.#startLog();
    }
  }

  /** Only now: until the task is applied, what it lets go of is beyond what readers know of. */
  #startLog(): void {
    const start = this.#start;
    this.#start = undefined;
    if (start !== undefined) this.#parts.trimmer.start(start);
  }

  #isNew(entry: Entry): boolean {
    return entry.index > this.#parts.core().configurationIndex;
  }

  #applyNormal(entry: Entry): void {
    const shape = toLog(entry);
    if (shape?.type === ENTRY_TYPE.logStart) this.#start = decodeLogStart(shape.payload);
  }

  /** Durable before the core counts by it: after a restart it must not count by an older one. */
  async #applyConfiguration({ index, payload }: ConfigurationEntry): Promise<void> {
    const life = this.#life;
    this.#waiting = true;
    const core = this.#parts.core();
    try {
      await this.#parts.hard.saveConfiguration(index, resultOf(core.configuration, payload));
    } catch (error) {
      this.#parts.onFailed(error);
      return;
    }
    if (life !== this.#life) return;
    core.applyConfiguration(index, payload);
    this.#waiting = false;
    this.#done++;
    this.#parts.onConfiguration();
    this.#pump();
    this.#parts.onWaited();
  }
}
