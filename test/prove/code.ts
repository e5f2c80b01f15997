import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isTest, readSources, resolveImport, root, type Source } from "../support/sources.ts";

const FOLDERS = ["src", "sim", "test"];

/** The repository's sources by their paths; what generators wrote is left out, as it follows from `proto/`. */
export type Sources = ReadonlyMap<string, Source>;

export function readAllSources(): Sources {
  const sources = FOLDERS.flatMap((folder) => readSources(folder));
  return new Map(sources.map((source) => [source.path, source]));
}

/** A file and all that it imports, over any number of steps, types included; sorted. */
export function importsOf(file: string, sources: Sources): string[] {
  const seen = new Set<string>();
  const waiting = [file];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const source = sources.get(path);
    if (source === undefined || seen.has(path)) continue;
    seen.add(path);
    for (const specifier of source.imports) {
      const target = resolveImport(source, specifier);
      if (target !== undefined) waiting.push(target);
    }
  }
  return [...seen].sort();
}

/** Everything that a started server or client may run, but for the tests beside it. */
export function shippedSources(sources: Sources): string[] {
  return [...sources.keys()].filter((path) => path.startsWith("src/") && !isTest(path)).sort();
}

/**
 * Names the code that a proof runs: the same name, the same code. A change anywhere else, of a document
 * or of a part of the system that the proof does not run, leaves what was proved as it is.
 *
 * Unless it `isInProcess`, it starts processes, which run what no import shows: all that is shipped, the
 * interfaces and the packages of the lockfile.
 */
export function nameCode(file: string, isInProcess: boolean, sources: Sources): string {
  const imported = importsOf(file, sources);
  const code = new Set(isInProcess ? imported : [...imported, ...shippedSources(sources)]);
  const hash = createHash("sha256");
  for (const path of [...code].sort()) hash.update(`${path}\0${sources.get(path)?.text ?? ""}\0`);
  for (const path of isInProcess ? [] : outsideFiles()) {
    hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex").slice(0, 16);
}

function outsideFiles(): string[] {
  const names = readdirSync(join(root, "proto"), { recursive: true, encoding: "utf8" });
  const interfaces = names.filter((name) => name.endsWith(".proto")).sort();
  return ["package-lock.json", ...interfaces.map((name) => `proto/${name}`)];
}
