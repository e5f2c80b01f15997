import { styleText } from "node:util";
import type { LogLevel, Observer } from "../base/index.ts";
import type { Host } from "./host.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Standard error: words for people, or JSON lines for programs. */
export class Terminal {
  readonly #stderr: Host["stderr"];
  /** Only where a person looks and has not asked for none (https://no-color.org). */
  readonly #hasColour: boolean;

  constructor({ stderr, env }: Host) {
    this.#stderr = stderr;
    this.#hasColour = stderr.isTTY === true && (env["NO_COLOR"] ?? "") === "";
  }

  /** Text as it is. */
  line(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /** Each line of the text begins with our name. */
  say(text: string): void {
    this.line(text.replace(/^/gm, "proglog: "));
  }

  /** The same, where a person should not miss it. */
  warn(text: string): void {
    this.say(this.#hasColour ? styleText("yellow", text) : text);
  }

  complain(text: string): void {
    this.say(this.#hasColour ? styleText("red", text) : text);
  }

  progress(): Progress {
    return new Progress(this.#stderr);
  }

  /** Events of the inner layers, from `least` upward. */
  observer(least: LogLevel, json: boolean): Observer {
    const rank = LEVELS.indexOf(least);
    return {
      log: (level, event, fields = {}) => {
        if (LEVELS.indexOf(level) < rank) return;
        if (json) {
          this.json({ level, time: Date.now(), event, ...fields });
          return;
        }
        const facts = Object.entries(fields)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => ` ${name}=${quoted(String(value))}`);
        this.say(`${level} ${event}${facts.join("")}`);
      },
      count: () => undefined,
      gauge: () => undefined,
      measure: () => undefined,
    };
  }
}

function quoted(value: string): string {
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** One line that is overwritten as work goes on; silent unless a person looks. */
export class Progress {
  readonly #stderr: Host["stderr"];
  /** Whether a person looks. */
  readonly isShown: boolean;
  #shownAt = 0;
  #hasLine = false;

  constructor(stderr: Host["stderr"]) {
    this.#stderr = stderr;
    this.isShown = stderr.isTTY === true;
  }

  /** At most ten times a second; the text is made only when it will be shown. */
  show(text: () => string): void {
    if (!this.isShown || performance.now() - this.#shownAt < 100) return;
    this.#shownAt = performance.now();
    this.#hasLine = true;
    this.#stderr.write(`\r\u001b[K${text()}`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#hasLine) this.#stderr.write("\r\u001b[K");
    this.#hasLine = false;
  }
}
