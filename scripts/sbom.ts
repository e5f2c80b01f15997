/**
 * Prints the bill of materials of what ships, in CycloneDX: `npm run sbom > sbom.json`.
 *
 * `npm sbom --omit=dev` leaves out what both a dependency and a tool of development need (20 of 97
 * packages here), so it is asked in a folder where the tools were never installed.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const scratch = mkdtempSync(join(tmpdir(), "proglog-sbom-"));
try {
  // npm names the whole after its folder.
  const cwd = join(scratch, "proglog");
  mkdirSync(cwd);
  for (const file of ["package.json", "package-lock.json"]) {
    copyFileSync(join(root, file), join(cwd, file));
  }
  const install = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  execFileSync("npm", install, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  const format = ["--omit=dev", "--sbom-format=cyclonedx", "--sbom-type=application"];
  execFileSync("npm", ["sbom", ...format], { cwd, stdio: ["ignore", "inherit", "inherit"] });
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
