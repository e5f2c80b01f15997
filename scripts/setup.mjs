/**
 * Makes a checkout ready to run: installs what package-lock.json names when it is not installed, and
 * with `--build` compiles src/ into dist/ when dist/ was made from other sources. Says nothing when
 * there is nothing to do. Two runs at once wait for each other.
 *
 * Plain JavaScript on Node's own modules, because it runs before anything is installed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { hostname } from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

const NODE_FLOOR = [20, 19];
const HEARTBEAT_MS = 1_000;
const LOCK_SILENT_MS = 30_000;
const LOCK_POLL_MS = 100;

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const lockfile = path.join(root, "package-lock.json");
const modules = path.join(root, "node_modules");
const installStamp = path.join(modules, ".setup-stamp");
const dist = path.join(root, "dist");
const main = path.join(dist, "cli", "main.js");
const buildStamp = ".build-stamp";
const lockDirectory = path.join(root, ".setup-lock");

/** A failure the user can act on: one line, exit code 1. */
class SetupError extends Error {}

function say(text) {
  process.stderr.write(`proglog: ${text}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1])) return;
  throw new SetupError(
    `needs Node.js ${NODE_FLOOR.join(".")} or newer, and this is ${process.version}: ` +
      "install a current one from https://nodejs.org and try again",
  );
}

function readOrEmpty(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function hash(parts) {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(part).update("\0");
  return sum.digest("hex");
}

// Installing

function installWanted() {
  return hash([fs.readFileSync(lockfile)]);
}

function isInstalled(wanted) {
  if (readOrEmpty(installStamp) === wanted) return true;
  if (!matchesHiddenLockfile()) return false;
  fs.writeFileSync(installStamp, wanted);
  return true;
}

/** Whether somebody's own `npm ci` has put there what the lockfile asks for: npm keeps a list of it. */
function matchesHiddenLockfile() {
  const listed = readOrEmpty(path.join(modules, ".package-lock.json"));
  if (listed === "") return false;
  try {
    const installed = JSON.parse(listed).packages;
    const wanted = JSON.parse(fs.readFileSync(lockfile, "utf8")).packages;
    return Object.entries(wanted).every(
      ([name, entry]) =>
        name === "" || entry.optional === true || installed[name]?.version === entry.version,
    );
  } catch {
    return false;
  }
}

async function install(wanted) {
  say("installing dependencies (npm ci), once…");
  fs.rmSync(installStamp, { force: true });
  const ours = /npm-cli\.[cm]?js$/.test(process.env.npm_execpath ?? "");
  const [command, first] = ours ? [process.execPath, [process.env.npm_execpath]] : ["npm", []];
  const args = [...first, "ci", "--include=dev", "--no-audit", "--no-fund"];
  const { code, output } = await run(command, args, npmEnvironment());
  if (code === "ENOENT") {
    throw new SetupError(
      "npm is not on the PATH: install it (it comes with Node.js) and try again",
    );
  }
  if (code !== 0) {
    const reason = /^npm (?:error|ERR!)\s+(?!code\b)(\S.*)$/m.exec(output)?.[1] ?? `exit ${code}`;
    throw new SetupError(
      `npm ci failed (${reason.trim()}): check the network and "npm config get registry", ` +
        `then run "npm ci --include=dev" in ${root} to see all it says`,
    );
  }
  fs.mkdirSync(modules, { recursive: true });
  fs.writeFileSync(installStamp, wanted);
}

/** Options of the npm that started us (`npm --global …`, `--omit=dev`) are not meant for ours. */
const FOREIGN_OPTIONS = /^npm_config_(global|location|omit|production|only|dry_run)$/;

function npmEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !FOREIGN_OPTIONS.test(name)),
  );
}

// Compiling

function buildWanted() {
  const source = path.join(root, "src");
  const names = fs
    .readdirSync(source, { recursive: true })
    .filter((name) => name.endsWith(".ts") && !/\.(test|system)\.ts$/.test(name))
    .sort();
  const parts = names.flatMap((name) => [name, fs.readFileSync(path.join(source, name))]);
  for (const name of ["package-lock.json", "tsconfig.json", "tsconfig.build.json"]) {
    parts.push(fs.readFileSync(path.join(root, name)));
  }
  return hash(parts);
}

function isBuilt(wanted) {
  return readOrEmpty(path.join(dist, buildStamp)) === wanted && fs.existsSync(main);
}

/**
 * Compiles beside dist/ and swaps, so that files of deleted sources go and nobody sees half of it.
 * Types are not checked here, which halves the time: `npm run types` does that.
 */
async function build(wanted) {
  say("compiling src/ into dist/…");
  const next = path.join(root, "dist.next");
  const old = path.join(root, "dist.old");
  for (const directory of [next, old]) fs.rmSync(directory, { recursive: true, force: true });
  const compiler = path.join(modules, "typescript", "bin", "tsc");
  const project = path.join(root, "tsconfig.build.json");
  const args = [compiler, "-p", project, "--noCheck", "--outDir", next];
  const { code, output } = await run(process.execPath, args, process.env);
  if (code !== 0) {
    fs.rmSync(next, { recursive: true, force: true });
    process.stderr.write(output);
    throw new SetupError(`src/ does not compile (above): correct it, "npm run types" checks it`);
  }
  fs.chmodSync(path.join(next, "cli", "main.js"), 0o755);
  fs.writeFileSync(path.join(next, buildStamp), wanted);
  if (fs.existsSync(dist)) fs.renameSync(dist, old);
  fs.renameSync(next, dist);
  fs.rmSync(old, { recursive: true, force: true });
}

/** Runs a program without input; resolves with its exit code (or the reason it did not start). */
function run(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    child.on("error", (error) => resolve({ code: error.code, output }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal, output }));
  });
}

// The lock: a directory with its owner's name in it, touched while the owner works.

async function withLock(work) {
  const token = `${hostname()} ${process.pid}`;
  await acquireLock(token);
  const heartbeat = setInterval(() => {
    const now = new Date();
    fs.utimes(lockDirectory, now, now, () => undefined);
  }, HEARTBEAT_MS);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    if (readOrEmpty(path.join(lockDirectory, "owner")) === token) removeLock();
  }
}

async function acquireLock(token) {
  const mine = `${lockDirectory}.${process.pid}`;
  fs.rmSync(mine, { recursive: true, force: true });
  fs.mkdirSync(mine);
  fs.writeFileSync(path.join(mine, "owner"), token);
  let told = false;
  try {
    for (;;) {
      // A rename fails onto a directory that is not empty: the lock appears with its owner in it.
      try {
        fs.renameSync(mine, lockDirectory);
        return;
      } catch (error) {
        if (!["ENOTEMPTY", "EEXIST", "EPERM"].includes(error.code)) throw error;
      }
      if (lockIsStale()) breakLock();
      else if (!told) say("waiting for another setup of this checkout…");
      told = true;
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    }
  } finally {
    fs.rmSync(mine, { recursive: true, force: true });
  }
}

function lockIsStale() {
  const [host, pid] = readOrEmpty(path.join(lockDirectory, "owner")).split(" ");
  if (host === hostname() && !isAlive(Number(pid))) return true;
  return isSilent(lockDirectory);
}

function isSilent(directory) {
  const { mtimeMs } = fs.statSync(directory, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
  return Date.now() - mtimeMs > LOCK_SILENT_MS;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Only one of those who saw the stale lock removes it, and looks again: it may be a new one by now. */
function breakLock() {
  const breaker = `${lockDirectory}.break`;
  try {
    fs.mkdirSync(breaker);
  } catch {
    if (isSilent(breaker)) fs.rmSync(breaker, { recursive: true, force: true });
    return;
  }
  try {
    if (lockIsStale()) removeLock();
  } finally {
    fs.rmSync(breaker, { recursive: true, force: true });
  }
}

/** Moved away first: an emptied directory in its place would already be free for the next one. */
function removeLock() {
  const gone = `${lockDirectory}.gone.${process.pid}`;
  try {
    fs.renameSync(lockDirectory, gone);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  fs.rmSync(gone, { recursive: true, force: true });
}

async function setUp(wantsBuild) {
  checkNode();
  const isReady = () => isInstalled(installWanted()) && (!wantsBuild || isBuilt(buildWanted()));
  if (isReady()) return;
  await withLock(async () => {
    const wanted = installWanted();
    if (!isInstalled(wanted)) await install(wanted);
    if (!wantsBuild) return;
    const built = buildWanted();
    if (!isBuilt(built)) await build(built);
  });
}

try {
  await setUp(process.argv.includes("--build"));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
