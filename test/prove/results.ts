import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Figures } from "./proof.ts";

/** What is known of one proof: which of its parts ran well, and on which commit. */
export interface Result {
  readonly commit: string;
  readonly date: string;
  readonly seconds: number;
  readonly parts: Readonly<Record<number, Figures>>;
}

/**
 * The results, a JSON file for each proof. A part that was run on another commit is no result any
 * more.
 */
export class Results {
  readonly #folder: string;
  readonly #commit: string;

  constructor(folder: string, commit: string) {
    this.#folder = folder;
    this.#commit = commit;
    mkdirSync(folder, { recursive: true });
  }

  of(name: string): Result {
    const nothing = { commit: this.#commit, date: "", seconds: 0, parts: {} };
    let text: string;
    try {
      text = readFileSync(this.#path(name), "utf8");
    } catch {
      return nothing;
    }
    const result = JSON.parse(text) as Result;
    return result.commit === this.#commit ? result : nothing;
  }

  add(name: string, part: number, figures: Figures, seconds: number): void {
    const before = this.of(name);
    const result: Result = {
      commit: this.#commit,
      date: new Date().toISOString().slice(0, 10),
      seconds: before.seconds + seconds,
      parts: { ...before.parts, [part]: figures },
    };
    const path = this.#path(name);
    writeFileSync(`${path}.tmp`, JSON.stringify(result, null, 1));
    renameSync(`${path}.tmp`, path);
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`);
  }
}
