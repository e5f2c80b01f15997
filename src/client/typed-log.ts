import { ProglogError, type RecordInput } from "../base/index.ts";
import type { Codec } from "./codec.ts";
import type { CallOptions } from "./connection.ts";
import type { ProduceAnswer, ProduceOptions, ReadOptions, RecordsOptions } from "./options.ts";
import type { Sent } from "./pending-batch.ts";
import type { Producer, ProducerOptions } from "./producer.ts";
import type { LogRecord, RecordStream } from "./record-stream.ts";

/** A log of bytes: what a typed one is made of. */
export interface BytesLog {
  produce(record: RecordInput, options?: ProduceOptions): Promise<ProduceAnswer>;
  read(offset: number, options?: ReadOptions): Promise<LogRecord>;
  records(options?: RecordsOptions): RecordStream;
  producer(options?: ProducerOptions): Producer;
}

/** What goes with a value. */
export type RecordMeta = Omit<RecordInput, "value">;

/** A record whose bytes are a value of the type. */
export interface ValidRecord<T> extends Omit<LogRecord, "value"> {
  readonly isValid: true;
  readonly value: T;
}

/** A record whose bytes are none. It has a place in the log like any other, and is passed by like any other. */
export interface InvalidRecord extends Omit<LogRecord, "value"> {
  readonly isValid: false;
  readonly bytes: Uint8Array | null;
  /** `INVALID_ARGUMENT`, with a sentence of what is wrong. */
  readonly error: ProglogError;
}

export type TypedRecord<T> = ValidRecord<T> | InvalidRecord;

export interface ValuesOptions extends RecordsOptions {
  /** Told of each record that is passed over. Throw to end the stream. */
  readonly onInvalid: (record: InvalidRecord) => void;
}

/**
 * A log of values of one type. What is no value is refused before anything is sent; what is read and
 * is none is handed out as such, so that one bad record, whoever wrote it, stops no reader.
 */
export class TypedLog<Input, Output = Input> {
  readonly #log: BytesLog;
  readonly #codec: Codec<Input, Output>;

  /** @private Made by `Client.typed`. */
  constructor(log: BytesLog, codec: Codec<Input, Output>) {
    this.#log = log;
    this.#codec = codec;
  }

  /** As `Client.produce`. Rejects with `INVALID_ARGUMENT` when it is no value of the type. */
  async produce(value: Input, options: RecordMeta & ProduceOptions = {}): Promise<ProduceAnswer> {
    const { key, headers, timestampMs, ...rest } = options;
    const bytes = await encode(this.#codec, value);
    return this.#log.produce({ value: bytes, key, headers, timestampMs }, rest);
  }

  /** As `Client.producer`. */
  producer(options: ProducerOptions = {}): TypedProducer<Input> {
    return new TypedProducer(this.#log.producer(options), this.#codec);
  }

  /** As `Client.read`. Rejects only when there is no record to be had. */
  async read(offset: number, options: ReadOptions = {}): Promise<TypedRecord<Output>> {
    return this.#decode(await this.#log.read(offset, options));
  }

  /** As `Client.records`. Never rejects for what stands in a record. */
  async *records(
    options: RecordsOptions = {},
  ): AsyncGenerator<TypedRecord<Output>, void, undefined> {
    for await (const record of this.#log.records(options)) yield await this.#decode(record);
  }

  /** Only the records that are values of the type. */
  async *values(options: ValuesOptions): AsyncGenerator<ValidRecord<Output>, void, undefined> {
    for await (const record of this.records(options)) {
      if (record.isValid) yield record;
      else options.onInvalid(record);
    }
  }

  async #decode(record: LogRecord): Promise<TypedRecord<Output>> {
    const { value: bytes, ...rest } = record;
    try {
      if (bytes === null) throw new ProglogError("INVALID_ARGUMENT", "the record has no value");
      return { ...rest, isValid: true, value: await this.#codec.decode(bytes) };
    } catch (cause) {
      const { message } = ProglogError.from(cause);
      const details = { offset: String(record.offset) };
      const error = new ProglogError("INVALID_ARGUMENT", message, { cause, details });
      return { ...rest, isValid: false, bytes, error };
    }
  }
}

/** A producer of values: what its calls promise is what `Producer`'s promise. */
export class TypedProducer<Input> implements AsyncDisposable {
  readonly #producer: Producer;
  readonly #codec: Codec<Input, unknown>;
  /** The last value whose turn it was. */
  #tail: Promise<unknown> = Promise.resolve();

  /** @private Made by `TypedLog.producer`. */
  constructor(producer: Producer, codec: Codec<Input, unknown>) {
    this.#producer = producer;
    this.#codec = codec;
  }

  /** In the order of the calls, however long a value takes to be checked. A bad one ends nothing. */
  send(value: Input, options: RecordMeta & CallOptions = {}): Promise<Sent> {
    const { key, headers, timestampMs, signal } = options;
    const bytes = encode(this.#codec, value);
    // Handled below; a value that is refused while another has its turn is not unhandled.
    bytes.catch(() => undefined);
    const sent = this.#tail.then(async () =>
      this.#producer.send({ value: await bytes, key, headers, timestampMs }, { signal }),
    );
    this.#tail = sent.catch(() => undefined);
    return sent;
  }

  async flush(options: CallOptions = {}): Promise<void> {
    await this.#tail;
    await this.#producer.flush(options);
  }

  async close(options: CallOptions = {}): Promise<void> {
    await this.#tail;
    await this.#producer.close(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function encode<Input>(codec: Codec<Input, unknown>, value: Input): Promise<Uint8Array> {
  try {
    return await codec.encode(value);
  } catch (cause) {
    const message = `not sent: ${ProglogError.from(cause).message}`;
    throw new ProglogError("INVALID_ARGUMENT", message, { cause, notAppended: true });
  }
}
