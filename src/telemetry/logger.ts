import { pino } from "pino";
import type { Fields, LogLevel } from "../base/index.ts";
import { LineWriter } from "./line-writer.ts";
import type { LineSink } from "./line-writer.ts";
import { redacted } from "./redact.ts";

export interface LoggerOptions {
  readonly sink: LineSink;
  readonly level: LogLevel;
  /** `json`: a line is an object. `text`: words for a person. */
  readonly format: "json" | "text";
  /** For lines that were too many. */
  readonly onDropped: (lines: number) => void;
}

/** One line for one event, on standard error or wherever the sink leads. */
export class Logger {
  readonly #pino: pino.Logger;
  readonly #writer: LineWriter;

  constructor(options: LoggerOptions) {
    const { level, format, onDropped } = options;
    const writer = new LineWriter(options.sink, onDropped);
    const write = format === "json" ? writer.write : (line: string) => writer.write(asText(line));
    this.#writer = writer;
    this.#pino = pino(
      {
        level,
        // Neither process nor machine: whoever collects the lines knows where they are from.
        base: null,
        messageKey: "event",
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write },
    );
  }

  /** Whether a line of this level is written at all. */
  tells(level: LogLevel): boolean {
    return this.#pino.isLevelEnabled(level);
  }

  log(level: LogLevel, event: string, fields: Fields = {}): void {
    if (!this.tells(level)) return;
    this.#pino[level](redacted(fields), event);
    // After an error there may be no next turn.
    if (level === "error") this.flush();
  }

  flush(): void {
    this.#writer.flush();
  }
}

/** Names of a line that are its frame; the others are its facts. */
const FRAME: ReadonlySet<string> = new Set(["level", "time", "event"]);

/** `proglog: warn log.torn-tail-cut bytes=17`. */
function asText(line: string): string {
  const fields = JSON.parse(line) as Record<string, string | number | boolean>;
  const facts = Object.entries(fields)
    .filter(([name]) => !FRAME.has(name))
    .map(([name, value]) => ` ${name}=${quoted(String(value))}`);
  return `proglog: ${String(fields["level"])} ${String(fields["event"])}${facts.join("")}\n`;
}

function quoted(value: string): string {
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
