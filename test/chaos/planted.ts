import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as TypeScript from "typescript";
import { MISTAKES } from "../../sim/bugs/index.ts";
import type { Mistake } from "../../sim/bugs/index.ts";
import { root } from "../support/root.ts";

/** A mistake of `sim/bugs` under the name that it has among the promises. */
function known(name: string, mistake: string): Mistake[] {
  return MISTAKES.filter((each) => each.name === mistake).map((each) => ({ ...each, name }));
}

/** Mistakes that real servers under load are to be caught at, beside all those of `sim/bugs`. */
const OWN: readonly Mistake[] = [
  {
    name: "answer-before-commit",
    file: "src/replica/answers.ts",
    find: "  add(proposal: Proposal): void {\n    this.#waiting.push(proposal);",
    replace:
      "  add(proposal: Proposal): void {\n    this.#waiting.push(proposal);\n    setImmediate(() => {\n      if (this.#heldCount === 0) this.commit(Number.MAX_SAFE_INTEGER);\n    });",
    why: "an append is answered when its leader has it, and nobody else yet",
  },
  ...known("stale-linearizable-read", "barrier-without-round"),
  {
    name: "producers-lost-on-install",
    file: "src/log/log.ts",
    find: "const side = { ...marker, salt:",
    replace: "const side = { ...marker, state: new Uint8Array(0), salt:",
    why: "who gets a marker in place of the log's beginning forgets which batches are in the log",
  },
];

export const BUGS: readonly Mistake[] = [...OWN, ...MISTAKES];

/** The file that the mistake is in, with it; throws when its place is not there once. */
export function sourceWith({ name, file, find, replace }: Mistake): string {
  const source = readFileSync(join(root, file), "utf8");
  if (source.split(find).length !== 2) {
    throw new Error(`the text of the planted bug "${name}" is not once in ${file}`);
  }
  return source.replace(find, () => replace);
}

/**
 * Copies what was built and compiles the one file anew in which the mistake is made; answers the copy's
 * `main.js`. In what is built and shipped there is no way to have a mistake.
 */
export async function plantedMain(bug: string, folder: string): Promise<string> {
  const mistake = BUGS.find(({ name }) => name === bug);
  if (mistake === undefined) throw new Error(`no planted bug is called "${bug}"`);
  const { file } = mistake;
  const source = sourceWith(mistake);
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  cpSync(join(root, "proto"), join(folder, "proto"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const text = await compiled(source);
  const built = file.replace(/^src/, "dist").replace(/ts$/, "js");
  writeFileSync(join(folder, built), text);
  return join(folder, "dist", "cli", "main.js");
}

async function compiled(source: string): Promise<string> {
  const path = pathToFileURL(join(root, "node_modules", "typescript", "lib", "typescript.js")).href;
  const { default: compiler } = (await import(path)) as { readonly default: typeof TypeScript };
  const read = (file: string): string => readFileSync(file, "utf8");
  const config = compiler.readConfigFile(join(root, "tsconfig.json"), read);
  const { options } = compiler.parseJsonConfigFileContent(config.config, compiler.sys, root);
  const emits = { noEmit: false, sourceMap: false, declaration: false };
  const compilerOptions = { ...options, ...emits, module: compiler.ModuleKind.ESNext };
  return compiler.transpileModule(source, { compilerOptions }).outputText;
}
