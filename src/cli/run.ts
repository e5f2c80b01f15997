import type { Readable } from "node:stream";
import { ProglogError } from "../base/index.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import type { EndSignal, Host } from "./host.ts";
import { Output } from "./output.ts";
import { Terminal } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
}

/** What a command works with. */
export interface Context {
  /** Aborted by the first Ctrl-C or SIGTERM, and when standard output takes nothing any more. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly out: Output;
  readonly terminal: Terminal;
  /** Where log lines go; words for people go there by the terminal. */
  readonly stderr: Host["stderr"];
  readonly env: Host["env"];
  readonly pid: number;
  /** Opened by the first look at it. */
  readonly stdin: () => Readable;
  /** Tells an error on standard error; answers its exit code. */
  readonly report: (caught: unknown) => number;
  /** Nothing but this command runs in the process. */
  readonly ownsProcess: boolean;
  /** Ends at once, whatever is under way. */
  readonly exit: (code: number) => void;
}

/** A command's work; it may answer an exit code of its own. */
export type Work = (context: Context) => Promise<number | undefined>;
export type Run = (options: CommonOptions, work: Work) => Promise<void>;

/**
 * npm passes a signal on to its child, which a terminal's Ctrl-C has already reached: the same
 * request, twice within a moment.
 */
const SAME_REQUEST_MS = 300;

/**
 * Runs a command's work with the manners that all share: errors on standard error and as an exit
 * code, a signal that asks to end, and a second one that ends at once. Resolves to the exit code.
 */
export async function runWork(host: Host, options: CommonOptions, work: Work): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const json = options.json ?? false;
  const terminal = new Terminal(host);
  const out = new Output(host.stdout, () => controller.abort(new ReaderGone()));
  const report = (caught: unknown): number => tell(terminal, caught, json);
  const exit = (code: number): void => host.exit(code);
  const { env, pid, stderr, ownsProcess = false } = host;
  const stdin = (): Readable => host.stdin;
  const letGo = onSignals(host, controller);
  try {
    const said = { out, terminal, stderr, report, exit };
    const context = { ...said, signal, json, env, pid, ownsProcess, stdin };
    const exitCode = await work(context);
    await out.flush();
    return out.failure === undefined ? (exitCode ?? EXIT.done) : report(out.failure);
  } catch (caught) {
    await out.flush();
    if (out.failure !== undefined) return report(out.failure);
    const isEnd = ProglogError.from(caught).code === "CANCELLED";
    return (isEnd ? endedBy(signal) : undefined) ?? report(caught);
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

/** Our own mistakes come with their stack. */
export function tell(terminal: Terminal, caught: unknown, json: boolean): number {
  const error = ProglogError.from(caught);
  const { code, message, details } = error;
  const isOurs = code === "INTERNAL" && error.cause instanceof Error;
  if (json) terminal.json({ error: { code, message, details } });
  else terminal.complain(isOurs ? String((error.cause as Error).stack) : message);
  return exitCodeOf(code);
}

function onSignals(host: Host, controller: AbortController): () => void {
  let askedAt: number | undefined;
  return host.onEndSignal((signal: EndSignal) => {
    const now = performance.now();
    if (askedAt !== undefined && now - askedAt > SAME_REQUEST_MS) host.exit(EXIT.failed);
    askedAt ??= now;
    const code = signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
    controller.abort(new Interrupted(code));
  });
}
