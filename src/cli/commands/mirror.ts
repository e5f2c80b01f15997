import type { Command } from "commander";
import { ProglogError } from "../../base/index.ts";
import type { Client, Producer } from "../../client/index.ts";
import { connectToFollow, timeoutOption, wholeNumber } from "../client-options.ts";
import type { ConnectionOptions } from "../client-options.ts";
import { addTlsOptions } from "../tls-options.ts";
import type { Context, Run } from "../run.ts";
import type { Progress } from "../terminal.ts";

interface MirrorOptions extends ConnectionOptions {
  readonly from: string;
  readonly to: string;
  readonly untilEnd?: boolean;
  readonly shift: number;
  readonly name: string;
}

/** How often the source is asked how far it is, to say the lag. */
const LAG_INTERVAL_MS = 1_000;

export function define(command: Command, run: Run): void {
  addTlsOptions(command);
  command
    .requiredOption("--from <host:port,…>", "RPC addresses of servers of the log to follow")
    .requiredOption("--to <host:port,…>", "RPC addresses of servers of the mirror")
    .option("--until-end", "end where the log ends now, instead of following it")
    .option(
      "--shift <offsets>",
      "how much lower offsets are in the mirror, the same at every start",
      wholeNumber(0),
      0,
    )
    .option(
      "--name <name>",
      "the mirror's producer: a second one of this name ends the first",
      "mirror",
    )
    .addOption(timeoutOption())
    .option("--json", "print how far it came as a JSON object, at the end")
    .addHelpText(
      "after",
      "\nA record has the same offset in the mirror, so it goes on where it was after any stop,\n" +
        "and nobody else may append to the mirror. A log that no longer begins at 0 has to be\n" +
        "mirrored with --shift.",
    )
    .action(async (options: MirrorOptions) => {
      await run(options, (context) => mirror(context, options));
    });
}

async function mirror(context: Context, options: MirrorOptions): Promise<undefined> {
  const { signal, out, json, terminal } = context;
  const { shift } = options;
  await using source = await connectToFollow(context, options.from, options);
  await using target = await connectToFollow(context, options.to, options);
  const producer = target.producer({ name: options.name });
  // Before the mirror is asked how far it is: what an earlier process has under way must not come after.
  const from = await producer
    .identify({ signal })
    .then(() => startOf(source, target, shift, signal))
    .catch(async (error: unknown) => {
      await producer.close();
      throw error;
    });
  if (!json) terminal.say(`mirroring from offset ${from}`);
  const follow = !(options.untilEnd ?? false);
  const copy = new Copy(producer, from, shift);
  await using lag = new Lag(source, copy, terminal.progress(), signal);
  lag.start();
  try {
    for await (const record of source.records({ from, follow, signal })) await copy.send(record);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await producer.close();
  }
  copy.throwIfWrong();
  if (json) out.json({ from, next: copy.next });
  else terminal.say(`mirrored ${copy.next - from} records, up to offset ${copy.next}`);
  return undefined;
}

/** Where the mirror goes on in the source. */
async function startOf(
  source: Client,
  target: Client,
  shift: number,
  signal: AbortSignal,
): Promise<number> {
  const [from, to] = await Promise.all([source.offsets({ signal }), target.offsets({ signal })]);
  const start = to.next + shift;
  if (start >= from.lowest && start <= from.next) return start;
  const hint =
    to.next === 0 ? `: --shift ${from.lowest} mirrors what there is` : ": it is no mirror of it";
  const where = `the log has offsets ${from.lowest} to ${from.next - 1}`;
  throw new ProglogError(
    "OFFSET_OUT_OF_RANGE",
    `${where}, and the mirror asks for ${start}${hint}`,
  );
}

type MirroredRecord = Parameters<Producer["send"]>[0] & { readonly offset: number };

/** Sends records on, and sees to it that each gets the offset that belongs to it. */
class Copy {
  readonly #producer: Producer;
  readonly #shift: number;
  #wrong: ProglogError | undefined;
  /** The source's offset below which everything is durable in the mirror. */
  next: number;

  constructor(producer: Producer, from: number, shift: number) {
    this.#producer = producer;
    this.#shift = shift;
    this.next = from;
  }

  async send(record: MirroredRecord): Promise<void> {
    this.throwIfWrong();
    const sent = this.#producer.trySend(record) ?? (await this.#producer.send(record));
    const { offset } = record;
    sent.ack.then(
      (ack) => this.#acknowledged(offset, ack.offset),
      (error: unknown) => ProglogError.from(error),
    );
  }

  throwIfWrong(): void {
    if (this.#wrong !== undefined) throw this.#wrong;
  }

  #acknowledged(offset: number, inMirror: number): void {
    if (inMirror === offset - this.#shift) {
      this.next = offset + 1;
      return;
    }
    const message = `offset ${offset} became ${inMirror} in the mirror: somebody else appends to it`;
    this.#wrong ??= new ProglogError("OFFSET_MISMATCH", message);
  }
}

/** Says on a terminal how far behind the mirror is. */
class Lag implements AsyncDisposable {
  readonly #source: Client;
  readonly #copy: Copy;
  readonly #signal: AbortSignal;
  readonly #progress: Progress;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | undefined;

  constructor(source: Client, copy: Copy, progress: Progress, signal: AbortSignal) {
    this.#source = source;
    this.#copy = copy;
    this.#progress = progress;
    this.#signal = signal;
  }

  start(): void {
    if (!this.#progress.isShown) return;
    this.#timer = setInterval(() => {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }, LAG_INTERVAL_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#asking;
    this.#progress.clear();
  }

  async #ask(): Promise<void> {
    try {
      const { next } = await this.#source.offsets({ signal: this.#signal });
      const behind = Math.max(0, next - this.#copy.next);
      this.#progress.show(() => `at offset ${this.#copy.next}, ${behind} behind`);
    } catch {
      // The copying itself says what is wrong with the source.
    }
  }
}
