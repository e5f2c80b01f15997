import { readFileSync } from "node:fs";

/** The package's version. Both from `src/cli` and from `dist/cli` the package is two folders up. */
export function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
