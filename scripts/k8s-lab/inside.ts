/** What runs inside the lab's namespaces, as their first process: the cluster, and then the steps. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Lab } from "./lab.ts";
import { runSteps } from "./steps.ts";

const MACHINES = 3;

// The first process of a namespace has no default answer to signals: without one it cannot be ended.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const [built = "", folder = ""] = process.argv.slice(2);
const images = ["proglog", "pause"].map((name) => join(built, "images", `${name}.tar`));
const lab = new Lab({ built, images, folder, machines: MACHINES });
try {
  console.log(readFileSync(join(built, "versions"), "utf8").trimEnd());
  await lab.start();
  const results = await runSteps(lab, { built, folder });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  process.exit(0);
} catch (error) {
  console.error(error);
  console.error(`logs are in ${folder}`);
  process.exit(1);
}
