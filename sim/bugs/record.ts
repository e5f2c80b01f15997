/**
 * Writes down who finds the planted bugs, after code or bugs have changed:
 *
 *     npx tsx sim/bugs/record.ts            those without a finder, or whose finder finds nothing now
 *     npx tsx sim/bugs/record.ts --seconds 60   looks so long for each
 *     npx tsx sim/bugs/record.ts double-vote    only at these; the others stay as they are
 *
 * Writes `found-by.ts` and the table in `docs/planted-bugs.md`; exits 1 when one was not found.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { format, resolveConfig } from "prettier";
import type { Subject } from "../run.ts";
import { SCENARIOS } from "../scenarios/index.ts";
import type { Bug, Finder, Mistake } from "./bug.ts";
import { FOUND_BY } from "./found-by.ts";
import { MISTAKES } from "./index.ts";
import { SERVER_BUGS } from "./server-bugs.ts";
import { sweep } from "./sweep.ts";
import { bugTable } from "./table.ts";
import { findAgain, plant } from "./workshop.ts";

const PAGE = join(import.meta.dirname, "../../docs/planted-bugs.md");
const TABLE = /\| bug [^]*?\n(?=\n|$)/;

async function stillFinds(mistake: Mistake, finder: Finder): Promise<boolean> {
  await using simulator = await plant(mistake);
  return (await findAgain(simulator, finder)).length > 0;
}

function subjectOf(mistake: Mistake): Subject {
  if (SERVER_BUGS.includes(mistake)) return "cluster";
  return mistake.file.startsWith("src/raft") ? "core" : "replica";
}

async function finderOf(mistake: Mistake, cpuSecondsMax: number): Promise<Finder | undefined> {
  const known = FOUND_BY[mistake.name];
  if (known !== undefined && (await stillFinds(mistake, known))) return known;
  const subject = subjectOf(mistake);
  const found = await sweep(mistake, {
    subjects: [subject],
    scenarios: Object.keys(SCENARIOS),
    cpuSecondsMax,
    // Servers cost several times what a replica does, and do much in little time.
    minutes: subject === "cluster" ? 0.4 : 1,
  });
  if (found === undefined) {
    process.stdout.write(`${mistake.name}: not found\n`);
    return undefined;
  }
  const seconds = found.cpuSeconds.toFixed(1);
  process.stdout.write(`${mistake.name}: ${found.rule} after ${found.runs} runs, ${seconds} s\n`);
  return found.finder;
}

async function write(path: string, text: string): Promise<void> {
  const options = await resolveConfig(path);
  writeFileSync(path, await format(text, { ...options, filepath: path }));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "20" } },
});
const isMeant = (name: string): boolean => positionals.length === 0 || positionals.includes(name);
const bugs: Bug[] = [];
for (const mistake of MISTAKES) {
  const foundBy = isMeant(mistake.name)
    ? await finderOf(mistake, Number(values.seconds))
    : FOUND_BY[mistake.name];
  if (foundBy !== undefined) bugs.push({ ...mistake, foundBy });
}
const here = join(import.meta.dirname, "found-by.ts");
const head = readFileSync(here, "utf8").replace(/= \{[^]*$/, "= ");
const known = Object.fromEntries(bugs.map(({ name, foundBy }) => [name, foundBy]));
await write(here, `${head}${JSON.stringify(known)};\n`);
await write(
  PAGE,
  readFileSync(PAGE, "utf8").replace(TABLE, () => `${bugTable(bugs)}\n`),
);
process.exit(bugs.length === MISTAKES.length ? 0 : 1);
