import { styleText } from "node:util";
import type { LogLevel, Observer } from "../base/index.ts";

/** Standard error: everything that is not data. */
const stderr = process.stderr;

/** Colour only where a person looks and has not asked for none (https://no-color.org). */
function hasColour(): boolean {
  return stderr.isTTY && (process.env["NO_COLOR"] ?? "") === "";
}

/** One line of ours; each line of a longer text begins with our name. */
export function say(text: string): void {
  stderr.write(text.replace(/^/gm, "proglog: ").concat("\n"));
}

/** The same, where a person should not miss it. */
export function warn(text: string): void {
  say(hasColour() ? styleText("yellow", text) : text);
}

export function complain(text: string): void {
  say(hasColour() ? styleText("red", text) : text);
}

/** One line that is overwritten as work goes on; silent unless a person looks. */
export class Progress {
  /** Whether a person looks. */
  readonly isShown: boolean = stderr.isTTY;
  #shownAt = 0;
  #hasLine = false;

  /** At most ten times a second; the text is made only when it will be shown. */
  show(text: () => string): void {
    if (!this.isShown || performance.now() - this.#shownAt < 100) return;
    this.#shownAt = performance.now();
    this.#hasLine = true;
    stderr.write(`\r\u001b[K${text()}`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#hasLine) stderr.write("\r\u001b[K");
    this.#hasLine = false;
  }
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Events of the inner layers as lines on standard error, from `least` upward. */
export function terminalObserver(least: LogLevel, json: boolean): Observer {
  const rank = LEVELS.indexOf(least);
  return {
    log: (level, event, fields = {}) => {
      if (LEVELS.indexOf(level) < rank) return;
      if (json) {
        stderr.write(`${JSON.stringify({ level, time: Date.now(), event, ...fields })}\n`);
        return;
      }
      const facts = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => ` ${name}=${quoted(String(value))}`);
      say(`${level} ${event}${facts.join("")}`);
    },
    count: () => undefined,
    gauge: () => undefined,
    measure: () => undefined,
  };
}

function quoted(value: string): string {
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
