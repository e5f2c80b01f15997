import { ProglogError } from "../base/index.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { Output } from "./output.ts";
import { complain } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
}

export interface Context {
  /** Aborted by the first Ctrl-C or SIGTERM, and when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  readonly out: Output;
  readonly json: boolean;
}

/**
 * npm passes a signal on to its child, which a terminal's Ctrl-C has already reached: the same
 * request, twice within a moment.
 */
const SAME_REQUEST_MS = 300;

/**
 * Runs a command's work with the manners that all share: errors on standard error and as an exit
 * code, a signal that asks to end, and a second one that ends at once. `work` may answer an exit
 * code of its own.
 */
export async function run(
  options: CommonOptions,
  work: (context: Context) => Promise<number | undefined>,
): Promise<void> {
  const controller = new AbortController();
  const json = options.json ?? false;
  const out = new Output(process.stdout, () => controller.abort(new ReaderGone()));
  const letGo = onSignals(controller);
  try {
    const exitCode = (await work({ signal: controller.signal, out, json })) ?? EXIT.done;
    await out.flush();
    process.exitCode = exitCode;
  } catch (caught) {
    await out.flush();
    const isEnd = ProglogError.from(caught).code === "CANCELLED";
    process.exitCode = (isEnd ? endedBy(controller.signal) : undefined) ?? report(caught, json);
  } finally {
    letGo();
  }
}

/** Reasons of an aborted signal; a part that throws its signal's reason throws one of them. */
class ReaderGone extends ProglogError {
  constructor() {
    super("CANCELLED", "nobody reads standard output any more");
  }
}

class Interrupted extends ProglogError {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super("CANCELLED", "interrupted");
    this.exitCode = exitCode;
  }
}

/** Being asked to end is no failure to talk about. */
function endedBy(signal: AbortSignal): number | undefined {
  if (signal.reason instanceof ReaderGone) return EXIT.done;
  if (signal.reason instanceof Interrupted) return signal.reason.exitCode;
  return undefined;
}

/** Tells an error on standard error; answers the exit code. Our own mistakes come with their stack. */
export function report(caught: unknown, json: boolean): number {
  const error = ProglogError.from(caught);
  if (json) {
    const { code, message, details } = error;
    process.stderr.write(`${JSON.stringify({ error: { code, message, details } })}\n`);
  } else {
    const isOurs = error.code === "INTERNAL" && error.cause instanceof Error;
    complain(isOurs ? String((error.cause as Error).stack) : error.message);
  }
  return exitCodeOf(error.code);
}

function onSignals(controller: AbortController): () => void {
  let askedAt: number | undefined;
  const ask = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (askedAt !== undefined && now - askedAt > SAME_REQUEST_MS) process.exit(EXIT.failed);
    askedAt ??= now;
    const code = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
    controller.abort(new Interrupted(code));
  };
  process.on("SIGINT", ask).on("SIGTERM", ask);
  return () => process.off("SIGINT", ask).off("SIGTERM", ask);
}
