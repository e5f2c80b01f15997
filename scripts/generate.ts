/**
 * Makes `src/api/gen` from `proto`, or, with `--check`, says whether it is what `proto` gives.
 *
 * The generator runs through npx with its versions pinned here: it is needed by whoever changes the
 * wire, not by whoever builds, and its binaries stay out of the lock file.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const GENERATED = "src/api/gen";
const PACKAGES = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.17.0"];

function generate(base: string): void {
  const packages = PACKAGES.flatMap((name) => ["-p", name]);
  const { status, error } = spawnSync("npx", ["-y", ...packages, "buf", "generate", "-o", base], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`buf generate ended with ${status ?? "a signal"}`);
}

function filesBelow(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  return new Map(names.sort().map((name) => [name, readFileSync(path.join(folder, name), "utf8")]));
}

/** The names that are missing, superfluous or different. */
function drift(wanted: Map<string, string>, found: Map<string, string>): string[] {
  const names = new Set([...wanted.keys(), ...found.keys()]);
  return [...names].filter((name) => wanted.get(name) !== found.get(name));
}

function check(): number {
  const base = mkdtempSync(path.join(tmpdir(), "proglog-generate-"));
  try {
    generate(base);
    const different = drift(filesBelow(path.join(base, GENERATED)), filesBelow(GENERATED));
    for (const name of different) console.error(`differs from proto: ${GENERATED}/${name}`);
    if (different.length > 0) console.error("run: npm run generate");
    return different.length > 0 ? 1 : 0;
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

if (process.argv.includes("--check")) process.exitCode = check();
else generate(".");
