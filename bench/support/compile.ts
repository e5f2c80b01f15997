import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
  inlineSourceMap: true,
};

/**
 * Compiles `src` and `bench` into `into`, file by file and without checking types. What is measured is
 * then what ships: the development loader wraps every function it meets, which costs a third on hot
 * paths and tens of megabytes.
 */
export function compile(root: string, into: string): void {
  for (const folder of ["src", "bench"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts") || /\.(test|system)\.ts$/.test(name)) continue;
      const source = readFileSync(join(root, folder, name), "utf8");
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: OPTIONS,
        fileName: join(root, folder, name),
      });
      const target = join(into, folder, name.replace(/\.ts$/, ".js"));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, outputText);
    }
  }
  for (const name of ["package.json", "proto"]) {
    cpSync(join(root, name), join(into, name), { recursive: true });
  }
}
