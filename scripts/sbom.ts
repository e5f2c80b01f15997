/**
 * Prints the bill of materials of what ships, in CycloneDX: `npm run sbom > sbom.json`.
 *
 * `npm sbom --omit=dev` leaves out what both a dependency and a tool of development need (20 of 97
 * packages here), so npm is shown a project that has no tools at all.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), "proglog-sbom-"));
// npm names the whole after its folder.
const cwd = join(scratch, "proglog");

function readJson(file: string): object {
  return JSON.parse(readFileSync(join(root, file), "utf8")) as object;
}

function write(file: string, content: object): void {
  writeFileSync(join(cwd, file), JSON.stringify(content));
}

try {
  mkdirSync(cwd);
  const none = { devDependencies: undefined, overrides: undefined };
  write("package.json", { ...readJson("package.json"), ...none });
  const lock = readJson("package-lock.json") as Lock;
  const kept = Object.entries(lock.packages)
    .filter(([, { dev }]) => dev !== true)
    .map(([path, entry]) => [path, path === "" ? { ...entry, ...none } : entry]);
  write("package-lock.json", { ...lock, packages: Object.fromEntries(kept) as object });
  const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx"];
  // The npm that runs us passes on where it is; the one we run shall look where it is itself.
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  execFileSync("npm", [...args, "--sbom-type=application"], {
    ...{ cwd, env: Object.fromEntries(env), stdio: ["ignore", "inherit", "inherit"] },
  });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
