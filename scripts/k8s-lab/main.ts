/**
 * The chart in a real Kubernetes on this machine, opt-in: root on Linux, Go, and the programs named below.
 *
 *     npm run build && node --import tsx scripts/k8s-lab/main.ts FOLDER
 *
 * FOLDER keeps what was built from Go modules (build.sh, once), the images, and the logs of the last run;
 * `images` in it is built anew when it is of another state of the code. The Node that runs this is the one
 * of the image. The cluster lives in namespaces of its own, which end with this process; what it leaves in
 * control groups and in the kernel's settings is taken back here.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Containers, IMAGE } from "../../test/system/support/containers.ts";
import { commandExists, isRoot } from "../../test/support/require.ts";
import { root } from "../../test/support/root.ts";
import { CGROUP, PAUSE_IMAGE } from "./files.ts";
import { hierarchies } from "./lab.ts";

const PROGRAMS = ["buildah", "podman", "runc", "mmdebstrap", "openssl", "ip", "nft", "conntrack"];
const PLUGINS = ["/usr/lib/cni/ptp", "/usr/lib/cni/host-local"];
/** Settings of the kernel that a kubelet changes for the whole machine. */
const SETTINGS = [
  ...["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"],
  ...["kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"],
].filter((name) => existsSync(join("/proc/sys", name)));

const GROUP_TRIES = 100;

async function main(): Promise<number> {
  const [place] = process.argv.slice(2);
  const missing = [
    ...PROGRAMS.filter((name) => !commandExists(name)),
    ...PLUGINS.filter((name) => !existsSync(name)),
    ...(isRoot() && process.platform === "linux" ? [] : ["root on Linux"]),
    ...(Number(process.versions.node.split(".")[0]) >= 24 ? [] : ["Node 24, which the image has"]),
    ...(existsSync(join(root, "dist", "cli", "main.js")) ? [] : ["dist (npm run build)"]),
  ];
  if (place === undefined || missing.length > 0) {
    console.error("usage: node --import tsx scripts/k8s-lab/main.ts FOLDER");
    if (missing.length > 0) console.error(`MISSING: ${missing.join(", ")}`);
    return 2;
  }
  const built = resolve(place);
  mkdirSync(built, { recursive: true });
  if (!existsSync(join(built, "versions"))) {
    const code = await run(join(import.meta.dirname, "build.sh"), [built]);
    if (code !== 0) return code;
  }
  if (!areOf(built, stateOfCode())) buildImages(built);
  const folder = join(built, "run");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const settings = SETTINGS.map((name) => [name, readFileSync(join("/proc/sys", name))] as const);
  const inside = join(import.meta.dirname, "inside.ts");
  try {
    // Its first process ends with it, and all others with that one.
    return await run("unshare", [
      ...["--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"],
      ...[process.execPath, "--import", "tsx", inside, built, folder],
    ]);
  } finally {
    for (const [name, value] of settings) writeFileSync(join("/proc/sys", name), value);
    for (const hierarchy of hierarchies()) await removeGroups(join(hierarchy, CGROUP));
    keepLogs(folder);
  }
}

/** The commit, with a mark where files differ from it. */
function stateOfCode(): string {
  const args = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"];
  return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}

/** Images of an older state would be tested without a word. */
function areOf(built: string, code: string): boolean {
  const note = join(built, "images", "code");
  return existsSync(note) && !code.endsWith("-dirty") && readFileSync(note, "utf8") === code;
}

/** The image of the shipped Dockerfile, and that of the process that holds a pod's namespaces. */
function buildImages(built: string): void {
  const images = join(built, "images");
  const unfinished = `${images}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  const containers = new Containers();
  try {
    containers.build();
    const pause = containers.must("buildah", "from", "scratch").trim();
    containers.must("buildah", "copy", pause, join(built, "bin", "pause"), "/pause");
    containers.must("buildah", "config", "--entrypoint", '["/pause"]', "--user", "65535", pause);
    containers.must("buildah", "commit", "--rm", pause, PAUSE_IMAGE);
    for (const [name, image] of Object.entries({ proglog: IMAGE, pause: PAUSE_IMAGE })) {
      containers.must("podman", "save", "--output", join(unfinished, `${name}.tar`), image);
    }
    writeFileSync(join(unfinished, "code"), stateOfCode());
    rmSync(images, { recursive: true, force: true });
    renameSync(unfinished, images);
  } finally {
    containers.close();
  }
}

function run(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  // unshare leaves SIGTERM to its child.
  const end = (): void => void child.kill(program === "unshare" ? "SIGKILL" : "SIGTERM");
  process.once("SIGINT", end).once("SIGTERM", end);
  return new Promise((resolved, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolved(code ?? 1));
  });
}

/** Takes away all but what tells what happened: keys, volumes and images go. */
function keepLogs(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    // What lies deeper has gone with its folder already.
    if (/^(logs|machine-\d+$|machine-\d+\/(pod-)?logs|results\.json$)/.test(name)) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** From below, as the last processes in them end. */
async function removeGroups(group: string): Promise<void> {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeGroups(join(group, entry.name));
  }
  for (let left = GROUP_TRIES; ; left--) {
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (left === 0) throw error;
      await pause(100);
    }
  }
}

process.exitCode = await main();
