import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { root } from "../../support/root.ts";

const SOURCES = ["engine.ts", "engine-value.ts"];
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};

let program: string | undefined;

/**
 * The path of `engine.ts`, compiled, over the built package: it is started thousands of times, and the
 * development loader takes half a second at each start. It is gone when this process ends.
 */
export function engineProgram(): string {
  program ??= compileEngine();
  return program;
}

function compileEngine(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-engine-")));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const dist = pathToFileURL(join(root, "dist")).href;
  for (const name of SOURCES) {
    const source = readFileSync(join(import.meta.dirname, name), "utf8");
    const { outputText } = ts.transpileModule(source, { compilerOptions: OPTIONS, fileName: name });
    const text = outputText.replaceAll('"../../../src/', `"${dist}/`);
    writeFileSync(join(folder, name.replace(/\.ts$/, ".js")), text);
  }
  return join(folder, "engine.js");
}
