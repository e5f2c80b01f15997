/**
 * Containers without a registry of images and without a daemon: buildah builds the shipped Dockerfile
 * on stand-ins of its bases (scripts/image-standins.sh), podman runs it. Everything, images too, lies
 * in one folder that goes with the test.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanEnvironment } from "../../support/program.ts";
import { commandExists, isRoot, skipUnless } from "../../support/require.ts";
import { root } from "../../support/root.ts";

const PROGRAMS = ["buildah", "podman", "runc", "mmdebstrap", "npm"];
const missing = PROGRAMS.filter((name) => !commandExists(name));

export const needsContainers: { skip?: string } = skipUnless(
  process.platform === "linux" && isRoot() && missing.length === 0,
  `root on Linux, and the programs ${PROGRAMS.join(", ")} (here: no ${missing.join(", ") || "root"})`,
);

export const IMAGE = "localhost/proglog:test";
/** The user of the image. */
export const USER = 65_532;
const COMMAND_MS_MAX = 540_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As Kubernetes' restricted standard has it. */
const RESTRICTED: readonly string[] = [
  ...["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
  ...["--security-opt", "no-new-privileges"],
];

export interface RunOptions {
  readonly name?: string;
  readonly network?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** `<volume or folder>:<path>[:ro]`. */
  readonly volumes?: readonly string[];
  readonly more?: readonly string[];
}

/** A place where images are built and containers run. */
export class Containers {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor() {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-containers-")));
    const at = (name: string): string => join(this.folder, name);
    mkdirSync(at("networks"));
    writeFileSync(
      at("storage.conf"),
      `[storage]\ndriver = "overlay"\ngraphroot = "${at("images")}"\nrunroot = "${at("run")}"\n`,
    );
    // Below the limits of a machine that may not raise them; runc, because crun refuses hybrid cgroups.
    writeFileSync(
      at("containers.conf"),
      '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=16384:16384"]\n' +
        `[engine]\nruntime = "runc"\nevents_logger = "file"\n[network]\nnetwork_config_dir = "${at("networks")}"\n`,
    );
    writeFileSync(at("policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
    this.#env = cleanEnvironment({
      CONTAINERS_STORAGE_CONF: at("storage.conf"),
      CONTAINERS_CONF: at("containers.conf"),
      STORAGE_DRIVER: "overlay",
    });
  }

  /** Builds the image of deploy/Dockerfile; throws with all that was said when it cannot. */
  build(): void {
    const npm = this.must("npm", "root", "--global").trim();
    const standins = join(root, "scripts", "image-standins.sh");
    this.must(standins, process.execPath, join(npm, "npm"));
    this.must(
      ...["buildah", "bud", "--pull-never", "--isolation", "chroot", "--network", "host"],
      ...["--signature-policy", join(this.folder, "policy.json"), "--format", "docker"],
      ...["--file", join(root, "deploy", "Dockerfile"), "--tag", IMAGE, root],
    );
  }

  /** Runs a program with this place's images and containers. */
  command(program: string, ...args: readonly string[]): Ended {
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      ...{ cwd: root, env: this.#env, encoding: "utf8", timeout: COMMAND_MS_MAX },
    });
    return { code: status, stdout, stderr: error === undefined ? stderr : error.message };
  }

  /** The same; throws when it fails. Answers its output. */
  must(program: string, ...args: readonly string[]): string {
    const { code, stdout, stderr } = this.command(program, ...args);
    if (code === 0) return stdout;
    throw new Error(`${program} ${args.join(" ")}: exit ${code ?? "?"}\n${stdout}${stderr}`);
  }

  /** Runs a container to its end. */
  run(options: RunOptions, ...args: readonly string[]): Ended {
    return this.command("podman", "run", "--rm", ...flagsOf(options), IMAGE, ...args);
  }

  /** Starts a container that stays. */
  start(options: RunOptions, ...args: readonly string[]): void {
    this.must("podman", "run", "--detach", ...flagsOf(options), IMAGE, ...args);
  }

  logs(name: string): string {
    const { stdout, stderr } = this.command("podman", "logs", name);
    return stdout + stderr;
  }

  inspect(name: string, format: string): string {
    return this.must("podman", "inspect", name, "--format", format).trim();
  }

  /** Ends every container and takes everything away. */
  close(): void {
    this.command("podman", "rm", "--all", "--force", "--time", "0", "--volumes");
    this.command("podman", "network", "prune", "--force");
    this.command("podman", "system", "reset", "--force");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function flagsOf({ name, network, env = {}, volumes = [], more = [] }: RunOptions): string[] {
  return [
    ...RESTRICTED,
    ...(name === undefined ? [] : ["--name", name, "--hostname", name]),
    ...(network === undefined ? [] : ["--network", network]),
    ...Object.entries(env).flatMap(([key, value]) => ["--env", `${key}=${value}`]),
    ...volumes.flatMap((volume) => ["--volume", volume]),
    ...more,
  ];
}
