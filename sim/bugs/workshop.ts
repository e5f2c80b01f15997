import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { RunOptions, RunResult } from "../run.ts";
import type { Violation } from "../checkers/index.ts";
import type { Finder, Mistake } from "./bug.ts";

const ROOT = dirname(dirname(import.meta.dirname));
/** The simulator, and all that it is made of. */
const ENTRY = `
  export { run } from "./sim/run.ts";
  export { runScenario } from "./sim/scenarios/index.ts";
`;

/** A change of anything shifts what a seed does: those after the recorded one are asked too. */
const SEEDS_MAX = 8;

interface SimulatorModule {
  readonly run: (options: RunOptions) => Promise<RunResult>;
  readonly runScenario: (name: string) => Promise<readonly Violation[]>;
}

/** The simulator with a bug in it. */
export interface PlantedSimulator extends AsyncDisposable {
  readonly run: (options: RunOptions) => Promise<RunResult>;
  readonly scenario: (name: string) => Promise<readonly Violation[]>;
}

/** Puts the simulator together once more, with the bug in it, as one module of its own, and loads that. */
export async function plant(bug: Mistake): Promise<PlantedSimulator> {
  const planted = await substituted(bug);
  const directory = await mkdtemp(join(tmpdir(), "proglog-planted-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true });
  try {
    const outfile = join(directory, "simulator.mjs");
    await bundle(outfile, join(ROOT, bug.file), planted);
    // For what comes from packages.
    await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
    const { run, runScenario } = (await import(pathToFileURL(outfile).href)) as SimulatorModule;
    return { run, scenario: runScenario, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What its recorded finder says of a bug; nothing when it does not find it any more. */
export async function findAgain(
  simulator: PlantedSimulator,
  finder: Finder,
): Promise<readonly Violation[]> {
  if (finder.by === "scenario") return simulator.scenario(finder.name);
  for (let seed = finder.seed; seed < finder.seed + SEEDS_MAX; seed++) {
    const { violations } = await simulator.run({ ...finder, seed });
    if (violations.length > 0) return violations;
  }
  return [];
}

async function bundle(outfile: string, changed: string, contents: string): Promise<void> {
  await build({
    stdin: { contents: ENTRY, resolveDir: ROOT, loader: "ts" },
    ...{ outfile, bundle: true, packages: "external", keepNames: true },
    ...{ platform: "node", format: "esm", target: `node${process.versions.node}` },
    logLevel: "silent",
    plugins: [
      {
        name: "planted",
        setup: (builder) => {
          builder.onLoad({ filter: /\.ts$/ }, ({ path }) =>
            path === changed ? { contents, loader: "ts" } : undefined,
          );
        },
      },
    ],
  });
}

/** The bug's file, as it is with it. */
async function substituted({ name, file, find, replace }: Mistake): Promise<string> {
  const text = await readFile(join(ROOT, file), "utf8");
  const places = text.split(find).length - 1;
  if (places !== 1) {
    throw new Error(`planted bug "${name}": its text is ${places} times in ${file}, not once`);
  }
  return text.replace(find, () => replace);
}
