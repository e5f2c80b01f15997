import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import ts from "typescript";

import { root } from "./root.ts";

export { root };

export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** What it imports or re-exports, types included, as written. */
  readonly imports: readonly string[];
}

/** The TypeScript files below a folder of the repository, generated code excepted. */
export function readSources(folder: string, base: string = root): Source[] {
  if (!existsSync(join(base, folder))) return [];
  return readdirSync(join(base, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name).split(sep).join("/"))
    .filter((path) => path.endsWith(".ts") && !path.includes("/gen/"))
    .sort()
    .map((path) => {
      const text = readFileSync(join(base, path), "utf8");
      const imports = ts
        .preProcessFile(text, true, true)
        .importedFiles.map((file) => file.fileName);
      return { path, text, imports };
    });
}

/** The path that a relative import of a source means; undefined for a package. */
export function resolveImport(source: Source, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return normalize(join(dirname(source.path), specifier))
    .split(sep)
    .join("/");
}

export function isTest(path: string): boolean {
  return /\.(test|system)\.ts$/.test(path) || path.includes("/testing/");
}
