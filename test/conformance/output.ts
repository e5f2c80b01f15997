const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"] as const;
export type Level = (typeof LEVELS)[number];

/** What the directives of a file print; nested blocks are indented by two spaces. */
export class Output {
  level: Level = "DEBUG";
  #text = "";
  #indent = 0;

  setLevel(name: string): void {
    const level = LEVELS.find((known) => known === name.toUpperCase());
    if (level === undefined) throw new Error(`log levels must be one of ${LEVELS.join(", ")}`);
    this.level = level;
  }

  get isQuiet(): boolean {
    return this.level === "NONE";
  }

  write(text: string): void {
    if (this.isQuiet || text === "") return;
    const prefix = "  ".repeat(this.#indent);
    const lines = text.replace(/\n$/, "").split("\n");
    this.#text += `${lines.map((line) => `${prefix}${line}`).join("\n")}\n`;
  }

  /** Written only when the level lets it through. */
  log(level: Level, text: string): void {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(this.level)) this.write(`${level} ${text}`);
  }

  indented(write: () => void): void {
    this.#indent += 1;
    try {
      write();
    } finally {
      this.#indent -= 1;
    }
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}
