import { addAbortSignal } from "node:stream";
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { limits } from "../../base/index.ts";
import type { Ack, RecordHeader, RecordInput } from "../../client/index.ts";
import { addClientOptions, addressOf, connectTo } from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import { readLines } from "../lines.ts";
import { JSON_LINE_BYTES_MAX, parseBase64, recordFromJson } from "../record-json.ts";
import type { Context, Run } from "../run.ts";

type Format = "lines" | "ndjson" | "base64";

interface ProduceOptions extends ClientOptions {
  readonly value?: readonly string[];
  readonly key?: string;
  readonly header?: readonly RecordHeader[];
  readonly format: Format;
}

const LINE_BYTES_MAX: Readonly<Record<Format, number>> = {
  lines: limits.recordBytesMax,
  base64: 2 * limits.recordBytesMax,
  ndjson: JSON_LINE_BYTES_MAX,
};

export function define(command: Command, run: Run): void {
  addClientOptions(command);
  command
    .description("append records: each line of standard input is one, unless --value is given")
    .option(
      "--value <text>",
      "a record's value; may be repeated",
      gather<string>((text) => text),
    )
    .option("--key <text>", "the key of every record")
    .option("--header <name=value>", "a header of every record; may be repeated", gather(header))
    .addOption(
      new Option("--format <format>", "what a line of standard input is")
        .choices(["lines", "ndjson", "base64"])
        .default("lines"),
    )
    .option("--json", "print each acknowledgement as a JSON line")
    .action(async (options: ProduceOptions) => {
      await run(options, (context) => produce(context, options));
    });
}

function gather<T>(read: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => [...before, read(text)];
}

function header(text: string): RecordHeader {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Give a header as name=value.");
  return { key: text.slice(0, at), value: Buffer.from(text.slice(at + 1)) };
}

async function produce(context: Context, options: ProduceOptions): Promise<undefined> {
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  const acks = new Acks(context, () => failed.abort());
  await using client = connectTo(context, addressOf(context, options), options);
  const producer = client.producer({ deliveryTimeoutMs: 1_000 * options.timeout });
  try {
    for await (const record of recordsOf(context, options, signal)) {
      const sent = producer.trySend(record) ?? (await producer.send(record));
      acks.expect(sent.ack);
    }
  } finally {
    // What was accepted is brought to its end; why that failed is what matters then.
    await producer.close().finally(() => acks.tell());
  }
  return undefined;
}

async function* recordsOf(
  context: Context,
  options: ProduceOptions,
  signal: AbortSignal,
): AsyncGenerator<RecordInput, void, undefined> {
  const { key, header: headers } = options;
  const common: Pick<RecordInput, "key" | "headers"> = {
    ...(key === undefined ? {} : { key: Buffer.from(key) }),
    ...(headers === undefined ? {} : { headers }),
  };
  if (options.value !== undefined) {
    for (const value of options.value) yield { ...common, value: Buffer.from(value) };
    return;
  }
  const read = READERS[options.format];
  let lineNumber = 0;
  const input = addAbortSignal(signal, context.stdin());
  for await (const line of readLines(input, LINE_BYTES_MAX[options.format])) {
    lineNumber += 1;
    yield { ...common, ...read(line, `line ${lineNumber}`) };
  }
}

const READERS: Readonly<Record<Format, (line: Uint8Array, place: string) => RecordInput>> = {
  lines: (value) => ({ value }),
  base64: (line, place) => ({ value: parseBase64(Buffer.from(line).toString("latin1"), place) }),
  ndjson: recordFromJson,
};

/** Prints acknowledgements in their order, and says at the end what there was. */
class Acks {
  readonly #context: Context;
  readonly #onFailure: () => void;
  #sent = 0;
  #acknowledged = 0;
  #first: number | undefined;
  #last: number | undefined;

  constructor(context: Context, onFailure: () => void) {
    this.#context = context;
    this.#onFailure = onFailure;
  }

  /** Why one failed is told by the producer's `close`. */
  expect(ack: Promise<Ack>): void {
    this.#sent += 1;
    ack.then(
      (answer) => {
        this.#acknowledged += 1;
        this.#first ??= answer.offset;
        this.#last = answer.offset;
        if (this.#context.json) this.#context.out.json(answer);
      },
      () => this.#onFailure(),
    );
  }

  tell(): void {
    if (this.#context.json) return;
    const lost = this.#sent - this.#acknowledged;
    const open = lost === 0 ? "" : `, ${lost} not acknowledged`;
    const offsets = this.#first === undefined ? "" : `, offsets ${this.#first} to ${this.#last}`;
    this.#context.terminal.say(`${this.#acknowledged} records appended${offsets}${open}`);
  }
}
