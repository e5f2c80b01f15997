/** A process of its own for tests: opens a data directory and prints how it went. */
import { ProglogError } from "../../base/index.ts";
import { openDataDirectory } from "../data-directory.ts";

try {
  await (await openDataDirectory(process.argv[2] ?? "")).close();
  process.stdout.write("opened\n");
} catch (error) {
  const code = error instanceof ProglogError ? error.code : "?";
  process.stdout.write(`${code} ${String(error)}\n`);
}
