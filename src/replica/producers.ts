import { limits, ProglogError, readBatchHeader } from "../base/index.ts";
import type { ProducerStamp } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry, SideState } from "../log/index.ts";
import {
  decodeProducerCreated,
  decodeProducers,
  encodeProducers,
  PRODUCER_EPOCH_MAX,
} from "./producer-codec.ts";
import type { Producer, ProducerBatch, ProducerCreated } from "./producer-codec.ts";

/** What is to be done with a stamped batch. */
export type ProducerDecision =
  | { readonly kind: "append" }
  /** It is in the log already, perhaps not yet committed. */
  | { readonly kind: "duplicate"; readonly batch: ProducerBatch }
  | { readonly kind: "refuse"; readonly error: ProglogError };

const APPEND: ProducerDecision = { kind: "append" };

/** Sequences are int32 in a RecordBatch, 0..2^31−1, and wrap to 0. */
const SEQUENCES = 2_147_483_648;

interface MutableProducer extends Producer {
  lastIndex: number;
  readonly batches: ProducerBatch[];
}

/**
 * Which producers there are and what each of them appended last: a pure function of the entries of
 * the log, so that every replica has the same table at the same index. It covers the whole log of
 * this replica, the part that is not yet committed included.
 *
 * - `apply` has no opinion of time and never fails on an entry that `decide` would have refused.
 * - A producer keeps its last `producerBatchesMax` batches of its present epoch, in order.
 * - `#byId` is ordered by `lastIndex`; the first is the longest unused, and is forgotten when there
 *   are more than `producersMax`.
 * - A name belongs to at most one producer.
 */
export class ProducerTable implements SideState {
  readonly #producersMax: number;
  readonly #byId = new Map<number, MutableProducer>();
  readonly #idByName = new Map<string, number>();

  constructor(producersMax: number = limits.producersMax) {
    this.#producersMax = producersMax;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): Producer | undefined {
    return this.#byId.get(id);
  }

  /**
   * Decides about a batch of `recordCount` records. `committedIndex` tells which remembered batches
   * are still unanswered. A known batch is recognised before anything else about the sequence, and
   * errors carry `notAppended`: this attempt put nothing into the log (an earlier one may have).
   *
   * - `UNKNOWN_PRODUCER`: never created, forgotten, or an epoch that was never given out.
   * - `PRODUCER_FENCED`: a later `CreateProducer` of the same name took over.
   * - `DUPLICATE_SEQUENCE`: appended so long ago that the offset is forgotten.
   * - `TOO_MANY_IN_FLIGHT`: as many batches as are remembered are not yet committed.
   * - `SEQUENCE_GAP`: not the sequence that comes next.
   */
  decide(stamp: ProducerStamp, recordCount: number, committedIndex: number): ProducerDecision {
    const producer = this.#byId.get(stamp.id);
    if (producer === undefined) {
      return refuse("UNKNOWN_PRODUCER", `producer ${stamp.id} is not known (any more)`, stamp);
    }
    if (stamp.epoch < producer.epoch) {
      return refuse(
        "PRODUCER_FENCED",
        `producer ${stamp.id} goes on with epoch ${producer.epoch}; epoch ${stamp.epoch} is over`,
        stamp,
      );
    }
    if (stamp.epoch > producer.epoch) {
      return refuse(
        "UNKNOWN_PRODUCER",
        `producer ${stamp.id} was never given epoch ${stamp.epoch}`,
        stamp,
      );
    }
    const expected = nextSequence(producer);
    if (stamp.sequence === expected) {
      return isFull(producer, committedIndex) ? tooManyInFlight(stamp) : APPEND;
    }
    return decideOutOfOrder(producer, expected, stamp, recordCount, committedIndex);
  }

  /**
   * What an entry that (re)creates the producer `name` has to say. A known name keeps its id under
   * the next epoch; an unknown or empty one, or one whose epochs are used up, gets a new id.
   */
  nextIdentity(name: string): ProducerCreated {
    const id = name === "" ? undefined : this.#idByName.get(name);
    const known = id === undefined ? undefined : this.#byId.get(id);
    if (known === undefined || known.epoch >= PRODUCER_EPOCH_MAX) return { id: 0, epoch: 0, name };
    return { id: known.id, epoch: known.epoch + 1, name };
  }

  /** Takes in the next entry of the log. */
  apply(entry: Entry): void {
    if (entry.type === ENTRY_TYPE.records) this.#applyBatch(entry);
    else if (entry.type === ENTRY_TYPE.producerCreated) this.#applyCreated(entry);
  }

  /** The table as bytes; equal tables give equal bytes. */
  encode(): Uint8Array {
    return encodeProducers(this.#byId);
  }

  /** Replaces the table by one that was encoded; no bytes are the empty table. */
  restore(bytes: Uint8Array): void {
    const producers = decodeProducers(bytes);
    this.#byId.clear();
    this.#idByName.clear();
    for (const producer of producers) {
      this.#insert({ ...producer, batches: [...producer.batches] });
    }
  }

  #applyBatch(entry: Entry): void {
    const header = readBatchHeader(entry.payload);
    if (header.producerId < 0) return;
    const producer = this.#byId.get(header.producerId);
    if (producer?.epoch !== header.producerEpoch) return;
    if (header.baseSequence !== nextSequence(producer)) return;
    producer.batches.push({
      baseSequence: header.baseSequence,
      recordCount: entry.recordCount,
      baseOffset: entry.baseOffset,
      index: entry.index,
      term: entry.term,
      appendedAt: entry.appendedAt,
    });
    if (producer.batches.length > limits.producerBatchesMax) producer.batches.shift();
    producer.lastIndex = entry.index;
    this.#byId.delete(producer.id);
    this.#byId.set(producer.id, producer);
  }

  #applyCreated(entry: Entry): void {
    const created = decodeProducerCreated(entry.payload);
    const id = created.id === 0 ? entry.index : created.id;
    this.#forget(id);
    const holder = this.#idByName.get(created.name);
    if (holder !== undefined) this.#forget(holder);
    const { epoch, name } = created;
    this.#insert({ id, epoch, name, lastIndex: entry.index, batches: [] });
    for (const oldest of this.#byId.keys()) {
      if (this.#byId.size <= this.#producersMax) break;
      this.#forget(oldest);
    }
  }

  #insert(producer: MutableProducer): void {
    this.#byId.set(producer.id, producer);
    if (producer.name !== "") this.#idByName.set(producer.name, producer.id);
  }

  #forget(id: number): void {
    const producer = this.#byId.get(id);
    if (producer === undefined) return;
    this.#byId.delete(id);
    if (producer.name !== "") this.#idByName.delete(producer.name);
  }
}

/** The sequence that comes after the producer's last batch; a new epoch begins at 0. */
function nextSequence(producer: Producer): number {
  const last = producer.batches.at(-1);
  return last === undefined ? 0 : (last.baseSequence + last.recordCount) % SEQUENCES;
}

/** Whether another batch would push one out of the table that nobody has been told about. */
function isFull(producer: Producer, committedIndex: number): boolean {
  const { batches } = producer;
  return (
    batches.length >= limits.producerBatchesMax &&
    (batches[0] as ProducerBatch).index > committedIndex
  );
}

function decideOutOfOrder(
  producer: Producer,
  expected: number,
  stamp: ProducerStamp,
  recordCount: number,
  committedIndex: number,
): ProducerDecision {
  for (const batch of producer.batches) {
    if (batch.baseSequence === stamp.sequence && batch.recordCount === recordCount) {
      return { kind: "duplicate", batch };
    }
  }
  // Sequences go round: what is less than half the circle behind is old, all else is ahead.
  const behind = (expected - stamp.sequence + SEQUENCES) % SEQUENCES;
  if (behind <= SEQUENCES / 2 && producer.batches.length > 0) {
    return refuse(
      "DUPLICATE_SEQUENCE",
      `sequence ${stamp.sequence} of producer ${stamp.id} was appended before, and is no batch ` +
        `that is remembered; next is ${expected}`,
      stamp,
      expected,
    );
  }
  if (isFull(producer, committedIndex)) return tooManyInFlight(stamp);
  return refuse(
    "SEQUENCE_GAP",
    `sequence ${stamp.sequence} of producer ${stamp.id} does not come next; ${expected} does`,
    stamp,
    expected,
  );
}

function tooManyInFlight(stamp: ProducerStamp): ProducerDecision {
  return refuse(
    "TOO_MANY_IN_FLIGHT",
    `producer ${stamp.id} has ${limits.producerBatchesMax} unanswered batches already`,
    stamp,
  );
}

type Refusal =
  | "UNKNOWN_PRODUCER"
  | "PRODUCER_FENCED"
  | "DUPLICATE_SEQUENCE"
  | "TOO_MANY_IN_FLIGHT"
  | "SEQUENCE_GAP";

function refuse(
  code: Refusal,
  message: string,
  stamp: ProducerStamp,
  expected?: number,
): ProducerDecision {
  const details: Record<string, string> = {
    producerId: String(stamp.id),
    epoch: String(stamp.epoch),
    sequence: String(stamp.sequence),
  };
  if (expected !== undefined) details["expectedSequence"] = String(expected);
  return { kind: "refuse", error: new ProglogError(code, message, { details, notAppended: true }) };
}
