import type { ProglogError } from "../base/index.ts";
import type { CommitLog } from "./commit-log.ts";
import { Linked } from "./linked-list.ts";
import type { TailFormat } from "./tail-page.ts";
import type { TailReads } from "./tail-reads.ts";

/** What stands in the queues of `Tails` and gets a turn there. */
export abstract class TailEntry extends Linked {
  abstract turn(): void;
  /** The server closes. */
  abstract fail(error: ProglogError): void;
}

/** `Tails`, as its entries see it: with every call an entry says in which queue it stands from now on. */
export interface TailHost {
  readonly log: CommitLog;
  readonly reads: TailReads;
  /** It has all that is committed. */
  wait(entry: TailEntry): void;
  /** It wants a turn. */
  ready(entry: TailEntry): void;
  /** Its sink is full, or it waits for a read. */
  hold(entry: TailEntry): void;
  /** It is gone. */
  forget(entry: TailEntry): void;
  turnIsOver(): boolean;
  /** Whether what is encoded for one stream will be asked for by another. */
  shares(format: TailFormat): boolean;
}
