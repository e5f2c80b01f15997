import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ConfigurationCase } from "./confchange.ts";
import { type Directive, parseDirectives } from "./datadriven.ts";
import { Environment } from "./environment.ts";
import { runInteraction } from "./interaction.ts";
import { runQuorum } from "./quorum.ts";
import { differences } from "./semantic.ts";

export interface FileResult {
  /** `interaction/campaign.txt` */
  readonly name: string;
  readonly directives: number;
  /** What went wrong first; undefined when nothing did. */
  readonly failure: string | undefined;
}

type Runner = (directive: Directive) => string;

/** Each file begins with a fresh one. */
const KINDS: Readonly<Record<string, () => Runner>> = {
  interaction: () => {
    const environment = new Environment();
    return (directive) => runInteraction(environment, directive);
  },
  quorum: () => runQuorum,
  confchange: () => {
    const state = new ConfigurationCase();
    return (directive) => state.run(directive);
  },
};

/** The data files under `folder`, by kind and name. */
export function findDataFiles(folder: string): string[] {
  return Object.keys(KINDS).flatMap((kind) => {
    const path = join(folder, kind);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => name.endsWith(".txt"))
      .sort()
      .map((name) => `${kind}/${name}`);
  });
}

/** Runs a file up to its first difference: what follows one says nothing. */
export function runDataFile(folder: string, name: string): FileResult {
  const kind = name.split("/")[0] ?? "";
  const directives = parseDirectives(readFileSync(join(folder, name), "utf8"));
  const run = KINDS[kind]?.();
  if (run === undefined) throw new Error(`no such kind of data file: ${kind}`);
  for (const directive of directives) {
    const actual = attempt(run, directive);
    const found =
      kind === "interaction"
        ? differences(directive.expected, actual)
        : exactDifferences(directive.expected, actual);
    if (found.length > 0) {
      const failure = `line ${directive.line}, ${directive.command}: ${found.join("; ")}`;
      return { name, directives: directives.length, failure: `${failure}\n${actual}` };
    }
  }
  return { name, directives: directives.length, failure: undefined };
}

function attempt(run: Runner, directive: Directive): string {
  try {
    return run(directive);
  } catch (error) {
    return `failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

function exactDifferences(expected: string, actual: string): string[] {
  return expected === actual.replace(/\n$/, "") ? [] : [`expected:\n${expected}\ngot:\n${actual}`];
}
