import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { RunOptions, RunResult } from "../run.ts";
import type { Violation } from "../checkers/index.ts";
import type { Finder, Mistake } from "./bug.ts";

const ROOT = dirname(dirname(import.meta.dirname));
/** What a simulation is made of; tests stay behind. */
const COPIED = ["sim", "src/base", "src/log", "src/raft", "src/replica", "package.json"];
/** What servers are made of besides. */
const COPIED_FOR_SERVERS = [
  "src/agent",
  "src/api",
  "src/auth",
  "src/gossip",
  "src/membership",
  "src/server",
  "src/telemetry",
  "src/transport",
];

interface RunModule {
  run(options: RunOptions): Promise<RunResult>;
}

interface ScenariosModule {
  runScenario(name: string): Promise<readonly Violation[]>;
}

/** The simulator as a copied tree has it. */
export interface PlantedSimulator extends AsyncDisposable {
  run(options: RunOptions): Promise<RunResult>;
  scenario(name: string): Promise<readonly Violation[]>;
}

/** Copies the tree, plants the bug, and loads the simulator from there. */
export async function plant(bug: Mistake): Promise<PlantedSimulator> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-planted-"));
  try {
    await mkdir(join(directory, "src"));
    await copyTree(directory, COPIED);
    await copyTree(directory, COPIED_FOR_SERVERS);
    await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
    await substitute(directory, bug);
    const load = async (path: string): Promise<unknown> =>
      import(pathToFileURL(join(directory, path)).href);
    const runs = (await load("sim/run.ts")) as RunModule;
    const scenarios = (await load("sim/scenarios/index.ts")) as ScenariosModule;
    return {
      run: (options) => runs.run(options),
      scenario: (name) => scenarios.runScenario(name),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  } catch (error) {
    await rm(directory, { recursive: true });
    throw error;
  }
}

/** What its recorded finder says of a bug; nothing when it does not find it any more. */
export async function findAgain(
  simulator: PlantedSimulator,
  finder: Finder,
): Promise<readonly Violation[]> {
  if (finder.by === "scenario") return simulator.scenario(finder.name);
  return (await simulator.run(finder)).violations;
}

async function copyTree(directory: string, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    await cp(join(ROOT, part), join(directory, part), {
      recursive: true,
      filter: (path) => !/\.test\.ts$|\/testing$/.test(path),
    });
  }
}

async function substitute(
  directory: string,
  { name, file, find, replace }: Mistake,
): Promise<void> {
  const path = join(directory, file);
  const text = await readFile(path, "utf8");
  const places = text.split(find).length - 1;
  if (places !== 1) {
    throw new Error(`planted bug "${name}": its text is ${places} times in ${file}, not once`);
  }
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
}
