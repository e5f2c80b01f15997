/**
 * Writes anew what the chart is known to make: `npx tsx test/deploy/write-golden.ts`. The difference in
 * git is what a release of this change does to a cluster that runs.
 */
import { writeGolden } from "./support/golden.ts";
import { renderAll } from "./support/rendered.ts";

for (const [name, objects] of await renderAll()) writeGolden(name, objects);
