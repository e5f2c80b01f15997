/** A process of its own for tests: takes the lock of a directory, says how it went, and stays. */
import { lockDirectory } from "../lock.ts";

const directory = process.argv[2] ?? "";
try {
  await lockDirectory(directory);
  process.send?.({ held: true });
} catch (error) {
  process.send?.({ held: false, message: String(error) });
}
// Only the channel to the parent keeps this process alive.
process.on("message", () => undefined);
