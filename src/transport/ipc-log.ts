import { limits } from "../base/index.ts";
import type { Clock, Fields, LogLevel, Observer } from "../base/index.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const SHOWN: Readonly<Record<LogLevel, string>> = {
  debug: "DEBUG",
  info: "INFO",
  warn: "WARN",
  error: "ERR",
};

interface Line {
  readonly level: LogLevel;
  readonly text: string;
}

/** What `serf monitor` shows: the last lines, and those to come. Passes everything on. */
export class IpcLog implements Observer {
  readonly #next: Observer;
  readonly #clock: Clock;
  readonly #lines: Line[] = [];
  readonly #listeners = new Set<(line: Line) => void>();

  constructor(next: Observer, clock: Clock) {
    this.#next = next;
    this.#clock = clock;
  }

  readonly count: Observer["count"] = (...all) => this.#next.count(...all);
  readonly gauge: Observer["gauge"] = (...all) => this.#next.gauge(...all);
  readonly measure: Observer["measure"] = (...all) => this.#next.measure(...all);

  readonly log = (level: LogLevel, event: string, fields: Fields = {}): void => {
    this.#next.log(level, event, fields);
    const facts = Object.entries(fields).map(([name, value]) => ` ${name}=${String(value)}`);
    const at = new Date(this.#clock.now()).toISOString().slice(0, 19).replace("T", " ");
    const text = `${at.replaceAll("-", "/")} [${SHOWN[level]}] proglog: ${event}${facts.join("")}`;
    if (this.#lines.length >= limits.ipcLogLinesMax) this.#lines.shift();
    this.#lines.push({ level, text });
    for (const listener of this.#listeners) listener({ level, text });
  };

  /** Lines of this level and above, the last ones first. */
  follow(level: LogLevel, listener: (text: string) => void): () => void {
    const least = LEVELS.indexOf(level);
    const show = (line: Line): void => {
      if (LEVELS.indexOf(line.level) >= least) listener(line.text);
    };
    for (const line of this.#lines) show(line);
    this.#listeners.add(show);
    return () => void this.#listeners.delete(show);
  }
}

/** Serf's words for levels; undefined for another word. */
export function levelOf(word: string): LogLevel | undefined {
  const upper = word.toUpperCase();
  if (upper === "TRACE") return "debug";
  return LEVELS.find((level) => SHOWN[level] === upper || level.toUpperCase() === upper);
}
