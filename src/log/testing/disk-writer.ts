/** A process of its own for tests: writes 20,000 bytes with one call and prints how it went. */
import { realDisk } from "../real-disk.ts";

const file = await realDisk.open(process.argv[2] ?? "", "replace");
const outcome = await file.write(new Uint8Array(20_000), 0).then(
  () => "written",
  (error: unknown) => (error as NodeJS.ErrnoException).code,
);
process.stdout.write(`${outcome ?? "?"}\n`);
await file.close();
