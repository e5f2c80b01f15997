import { getU32, getU64, limits, ProglogError, putU32, putU64 } from "../base/index.ts";

/** One batch that the table remembers, so that its repetition is recognised and answered alike. */
export interface ProducerBatch {
  /** The sequence of its first record; 0..2^31−1. */
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly baseOffset: number;
  /** Index, term and time of the entry that holds it. */
  readonly index: number;
  readonly term: number;
  readonly appendedAt: number;
}

/** What the table knows of one producer. */
export interface Producer {
  readonly id: number;
  /** 0..32767: a RecordBatch has 16 signed bits for it. */
  readonly epoch: number;
  /** Empty for a producer without a name. */
  readonly name: string;
  /** The index of its last entry; its age in the table. */
  readonly lastIndex: number;
  /** The last batches of this epoch, oldest first. */
  readonly batches: readonly ProducerBatch[];
}

/** Epochs are int16 in a RecordBatch, never negative for a real producer. */
export const PRODUCER_EPOCH_MAX = 32_767;

/** What an entry of type `producerCreated` says. */
export interface ProducerCreated {
  /** The producer; 0 stands for the index of the entry itself. */
  readonly id: number;
  readonly epoch: number;
  readonly name: string;
}

const CREATED_HEAD_BYTES = 12;

const textEncoder = new TextEncoder();
// A byte order mark is part of a name like any other character.
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Payload of an entry of type `producerCreated`, little-endian:
 *
 *     0 producer id u64   8 epoch u16   10 name bytes u16   12 name, UTF-8
 *
 * An id of 0 means the index of this very entry: a new producer is named by the place where the log
 * first mentions it, which is not known while the payload is made. Any other id is a known producer
 * that goes on with a higher epoch.
 */
export function encodeProducerCreated(created: ProducerCreated): Uint8Array {
  const name = textEncoder.encode(created.name);
  const bytes = new Uint8Array(CREATED_HEAD_BYTES + name.length);
  putU64(bytes, 0, created.id);
  putU16(bytes, 8, created.epoch);
  putU16(bytes, 10, name.length);
  bytes.set(name, CREATED_HEAD_BYTES);
  return bytes;
}

/** The inverse; throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeProducerCreated(payload: Uint8Array): ProducerCreated {
  if (payload.length < CREATED_HEAD_BYTES) throw malformed("an entry of a producer is cut short");
  const created = {
    id: getU64(payload, 0),
    epoch: getU16(payload, 8),
    name: decodeName(payload.subarray(CREATED_HEAD_BYTES)),
  };
  const valid =
    payload.length === CREATED_HEAD_BYTES + getU16(payload, 10) &&
    Number.isSafeInteger(created.id) &&
    created.epoch <= PRODUCER_EPOCH_MAX;
  if (!valid) throw malformed("an entry of a producer has an unknown shape");
  return created;
}

/** A name that comes back as it went in, and fits; `INVALID_ARGUMENT` otherwise. */
export function checkProducerName(name: string): void {
  const bytes = textEncoder.encode(name);
  if (bytes.length > limits.producerNameBytesMax || textDecoder.decode(bytes) !== name) {
    throw new ProglogError(
      "INVALID_ARGUMENT",
      `a producer's name has at most ${limits.producerNameBytesMax} bytes of UTF-8`,
      { notAppended: true },
    );
  }
}

const VERSION = 1;
const TABLE_HEAD_BYTES = 8;
const PRODUCER_HEAD_BYTES = 21;
const BATCH_BYTES = 40;

/**
 * The whole table, little-endian: a head, then every producer, the longest unused first.
 *
 *     head      0 version u32 (1)  4 producers u32
 *     producer  0 id u64  8 last index u64  16 epoch u16  18 name bytes u16  20 batches u8
 *               21 name, UTF-8, then the batches, oldest first
 *     batch     0 base sequence u32  4 record count u32  8 base offset u64  16 index u64
 *               24 term u64  32 appended at u64
 *
 * Every number has one place and the order is given by the last indexes, which are all different: so
 * equal tables have equal bytes. The empty table has no bytes at all.
 */
export function encodeProducers(producers: ReadonlyMap<number, Producer>): Uint8Array {
  if (producers.size === 0) return new Uint8Array(0);
  const names: Uint8Array[] = [];
  let length = TABLE_HEAD_BYTES;
  for (const producer of producers.values()) {
    const name = textEncoder.encode(producer.name);
    names.push(name);
    length += PRODUCER_HEAD_BYTES + name.length + producer.batches.length * BATCH_BYTES;
  }
  const bytes = new Uint8Array(length);
  putU32(bytes, 0, VERSION);
  putU32(bytes, 4, producers.size);
  let at = TABLE_HEAD_BYTES;
  let next = 0;
  for (const producer of producers.values()) {
    at = writeProducer(bytes, at, producer, names[next++] as Uint8Array);
  }
  return bytes;
}

function writeProducer(into: Uint8Array, at: number, producer: Producer, name: Uint8Array): number {
  putU64(into, at, producer.id);
  putU64(into, at + 8, producer.lastIndex);
  putU16(into, at + 16, producer.epoch);
  putU16(into, at + 18, name.length);
  into[at + 20] = producer.batches.length;
  into.set(name, at + PRODUCER_HEAD_BYTES);
  let end = at + PRODUCER_HEAD_BYTES + name.length;
  for (const batch of producer.batches) {
    putU32(into, end, batch.baseSequence);
    putU32(into, end + 4, batch.recordCount);
    putU64(into, end + 8, batch.baseOffset);
    putU64(into, end + 16, batch.index);
    putU64(into, end + 24, batch.term);
    putU64(into, end + 32, batch.appendedAt);
    end += BATCH_BYTES;
  }
  return end;
}

/** The inverse, in the same order; throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeProducers(bytes: Uint8Array): Producer[] {
  if (bytes.length === 0) return [];
  if (bytes.length < TABLE_HEAD_BYTES || getU32(bytes, 0) !== VERSION) {
    throw malformed("the producer table has an unknown version");
  }
  const count = getU32(bytes, 4);
  const producers: Producer[] = [];
  let at = TABLE_HEAD_BYTES;
  let lastIndex = -1;
  while (producers.length < count) {
    const end = producerEnd(bytes, at);
    if (end > bytes.length) throw malformed("the producer table is cut short");
    const producer = readProducer(bytes, at);
    if (producer.lastIndex <= lastIndex || producer.epoch > PRODUCER_EPOCH_MAX) {
      throw malformed("the producer table is out of order");
    }
    lastIndex = producer.lastIndex;
    producers.push(producer);
    at = end;
  }
  if (at !== bytes.length) throw malformed("the producer table is too long");
  return producers;
}

function producerEnd(bytes: Uint8Array, at: number): number {
  const head = at + PRODUCER_HEAD_BYTES;
  if (head > bytes.length) return head;
  return head + getU16(bytes, at + 18) + (bytes[at + 20] as number) * BATCH_BYTES;
}

function readProducer(bytes: Uint8Array, at: number): Producer {
  const nameEnd = at + PRODUCER_HEAD_BYTES + getU16(bytes, at + 18);
  const batches: ProducerBatch[] = [];
  for (let i = 0; i < (bytes[at + 20] as number); i++) {
    const batchAt = nameEnd + i * BATCH_BYTES;
    batches.push({
      baseSequence: getU32(bytes, batchAt),
      recordCount: getU32(bytes, batchAt + 4),
      baseOffset: getU64(bytes, batchAt + 8),
      index: getU64(bytes, batchAt + 16),
      term: getU64(bytes, batchAt + 24),
      appendedAt: getU64(bytes, batchAt + 32),
    });
  }
  return {
    id: getU64(bytes, at),
    lastIndex: getU64(bytes, at + 8),
    epoch: getU16(bytes, at + 16),
    name: decodeName(bytes.subarray(at + PRODUCER_HEAD_BYTES, nameEnd)),
    batches,
  };
}

function decodeName(bytes: Uint8Array): string {
  try {
    return textDecoder.decode(bytes);
  } catch (cause) {
    throw new ProglogError("UNSUPPORTED_FORMAT", "a producer's name is not UTF-8", { cause });
  }
}

function malformed(what: string): ProglogError {
  return new ProglogError("UNSUPPORTED_FORMAT", what);
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

function getU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}
