import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Figures } from "./proof.ts";

/** What is known of one proof: which of its parts ran well, and on which code. */
export interface Result {
  /** Names the code that it ran (`nameCode`). */
  readonly code: string;
  /** Where the last part ran. Others may have run on commits before, of the same code. */
  readonly commit: string;
  readonly date: string;
  readonly seconds: number;
  readonly parts: Readonly<Record<number, Figures>>;
}

/**
 * The results, a JSON file for each proof, a line for each part. They belong to the repository: a proof
 * of many hours goes on where somebody else ended, as long as the code that it runs is the same. A part
 * that was run on other code is no result any more.
 */
export class Results {
  readonly #folder: string;
  readonly #commit: string;

  constructor(folder: string, commit: string) {
    this.#folder = folder;
    this.#commit = commit;
    mkdirSync(folder, { recursive: true });
  }

  /** What is known of a proof whose code has this name. */
  of(name: string, code: string): Result {
    let text: string;
    try {
      text = readFileSync(this.#path(name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return this.#nothing(code);
    }
    const result = JSON.parse(text) as Result;
    return result.code === code ? result : this.#nothing(code);
  }

  add(name: string, code: string, done: { part: number; figures: Figures; seconds: number }): void {
    const before = this.of(name, code);
    const result: Result = {
      code,
      commit: this.#commit,
      date: new Date().toISOString().slice(0, 10),
      seconds: Math.round((before.seconds + done.seconds) * 10) / 10,
      parts: { ...before.parts, [done.part]: done.figures },
    };
    const path = this.#path(name);
    writeFileSync(`${path}.tmp`, format(result));
    renameSync(`${path}.tmp`, path);
  }

  #nothing(code: string): Result {
    return { code, commit: this.#commit, date: "", seconds: 0, parts: {} };
  }

  #path(name: string): string {
    return join(this.#folder, `${name.replaceAll(/[^a-z0-9]+/g, "-")}.json`);
  }
}

/** A line for each part, so that a change shows which parts are new. */
function format({ parts, ...head }: Result): string {
  const lines = Object.entries(parts).map(
    ([part, figures]) => `    "${part}": ${JSON.stringify(figures)}`,
  );
  const top = JSON.stringify(head, null, 2).slice(0, -2);
  return `${top},\n  "parts": {\n${lines.join(",\n")}\n  }\n}\n`;
}
