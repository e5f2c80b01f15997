import type { Readable, Writable } from "node:stream";

/** Signals that ask a program to end. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** What is around a command line: the process, or a test. */
export interface Host {
  readonly stdin: Readable;
  /** Data, and nothing else. */
  readonly stdout: Writable;
  /** Everything that is not data. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Calls back at each request to end; the result unsubscribes. */
  onEndSignal(listener: (signal: EndSignal) => void): () => void;
  /** Nothing but this command runs in the process. */
  readonly ownsProcess?: boolean;
  /** Ends at once, whatever is under way. */
  exit(code: number): void;
}

export const processHost: Host = {
  // Standard input is opened by looking at it, which only commands that read it should do.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  pid: process.pid,
  onEndSignal: (listener) => {
    process.on("SIGINT", listener).on("SIGTERM", listener);
    return () => void process.off("SIGINT", listener).off("SIGTERM", listener);
  },
  ownsProcess: true,
  exit: (code) => process.exit(code),
};
