import { rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { assert, limits, ProglogError, systemRandom } from "../base/index.ts";
import type { Random } from "../base/index.ts";
import { directoryError } from "./directory-error.ts";
import type { Disk } from "./disk.ts";
import { lockDirectory } from "./lock.ts";
import type { DirectoryLock } from "./lock.ts";
import { decodeMeta, encodeMeta, newClusterId, newMeta, unsupported } from "./meta.ts";
import type { Meta } from "./meta.ts";
import { overlayDisk } from "./overlay-disk.ts";
import { realDisk } from "./real-disk.ts";

const META_FILE = "meta.json";
/** The same, until the first start has made the log. */
const UNFINISHED_META_FILE = "meta.json.tmp";
/** What takes the place of a small file, in one step. */
const NEXT = ".next";
const LOGS = "logs";
const DEFAULT_LOG = "default";
const LOG_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
/** Files that only a log has. */
const LOG_FILE = /^(\d{20}\.(log|index|time|side)|raft\.state)$/;

export interface DataDirectoryOptions {
  /** The configured cluster name; another cluster's directory is refused. Absent: any will do. */
  readonly clusterName?: string | undefined;
  /** The configured name of this replica; another one's directory is refused. Absent: any will do. */
  readonly name?: string | undefined;
  /** The name that a new directory gets when none is configured. */
  readonly nameIfNew?: string | undefined;
  /** A new directory makes no cluster of its own: it waits to be taken into one (`joinCluster`). */
  readonly waitsIfNew?: boolean | undefined;
  readonly random?: Random | undefined;
  /** Absent: the real one. Only on the real one is the directory locked. */
  readonly disk?: Disk | undefined;
  /** Look only: every file stays as it is, whatever is done (`overlayDisk`). */
  readonly readOnly?: boolean | undefined;
}

/** A directory with everything that one replica keeps, held by this process. */
export interface DataDirectory extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
  readonly meta: Meta;
  /** No start has made a log here yet: where none is, one may be made. Else a missing one is lost. */
  readonly fresh: boolean;
  /** What its logs are to be opened on. */
  readonly disk: Disk;
  /** Where a log of this name is kept. The one named "default" is there already. */
  logDirectory(name: string): string;
  /** A small file beside the identity; undefined when there is none. */
  readSmallFile(name: string): Promise<Uint8Array | undefined>;
  /** Replaces it, durably and in one step. */
  replaceSmallFile(name: string, bytes: Uint8Array): Promise<void>;
  /** Belongs to a cluster from now on, durably; only where it belonged to none. */
  joinCluster(clusterId: string): Promise<void>;
  /**
   * Belongs to a cluster of its own from now on, durably; resolves with its id. Those of the old one
   * are turned away, and turn this one away.
   */
  leaveCluster(): Promise<string>;
  /** The log is there, durably: from the next start on, one that is missing is lost. */
  finishFirstStart(): Promise<void>;
  /** Removes every log and the identity, then closes. */
  remove(): Promise<void>;
  /** Lets go of the directory: another process may have it. */
  close(): Promise<void>;
}

/**
 * Opens a data directory, and makes it where there is none: an identity and `logs/default`, durable
 * when this resolves. The identity has a temporary name until `finishFirstStart`, so that an empty
 * `logs/default` beside a `meta.json` is known for what it is: a log that was lost. Throws `LOCKED` while another process has it, `UNSUPPORTED_FORMAT` when it is
 * not ours or of another version, `CONFIGURATION` when it belongs to another name, or cannot be used
 * for want of rights, and `STORAGE_FAILED`.
 */
export async function openDataDirectory(
  path: string,
  options: DataDirectoryOptions = {},
): Promise<DataDirectory> {
  const { disk: below = realDisk, readOnly = false } = options;
  const disk = readOnly ? overlayDisk(below) : below;
  const directory = below === realDisk ? resolve(path) : path;
  try {
    await makeDurably(disk, directory);
    const lock = below === realDisk ? await take(directory, readOnly) : undefined;
    try {
      const { meta, fresh } = await identify(disk, directory, options);
      await disk.makeDirectory(join(directory, LOGS, DEFAULT_LOG));
      // Also when all was there: a process that was killed may have made it and synced nothing.
      await disk.syncDirectory(join(directory, LOGS));
      await disk.syncDirectory(directory);
      return new HeldDirectory(disk, directory, { meta, fresh, lock });
    } catch (error) {
      await lock?.release();
      throw error;
    }
  } catch (error) {
    throw directoryError(directory, error);
  }
}

/** Where nobody can write there is no server either, and a reader needs no lock. */
async function take(directory: string, readOnly: boolean): Promise<DirectoryLock | undefined> {
  try {
    return await lockDirectory(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (readOnly && (code === "EROFS" || code === "EACCES")) return undefined;
    throw error;
  }
}

/** Makes a directory and those above it, each name durable before anything is put below it. */
async function makeDurably(disk: Disk, directory: string): Promise<void> {
  const missing: string[] = [];
  let there = directory;
  while (!(await isThere(disk, there, there === directory))) {
    missing.unshift(there);
    there = dirname(there);
  }
  await disk.syncDirectory(dirname(there)).catch((error: unknown) => {
    // A directory that we were given may lie in one that we may not read.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM" && code !== "EROFS") throw error;
  });
  for (const made of missing) {
    await disk.makeDirectory(made);
    await disk.syncDirectory(dirname(made));
  }
}

async function isThere(disk: Disk, directory: string, mustBeReadable: boolean): Promise<boolean> {
  try {
    await disk.list(directory);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return false;
    if (code === "EACCES" && !mustBeReadable) return true;
    throw error;
  }
}

async function identify(
  disk: Disk,
  directory: string,
  options: DataDirectoryOptions,
): Promise<{ readonly meta: Meta; readonly fresh: boolean }> {
  const path = join(directory, META_FILE);
  const names = await disk.list(directory);
  if (names.includes(META_FILE)) {
    const meta = decodeMeta(await readSmall(disk, path), path);
    refuseOther(directory, meta, options);
    return { meta, fresh: false };
  }
  if (names.includes(UNFINISHED_META_FILE)) {
    const meta = await unfinishedMeta(disk, join(directory, UNFINISHED_META_FILE));
    if (meta !== undefined) {
      refuseOther(directory, meta, options);
      return { meta, fresh: true };
    }
  }
  if (names.includes(LOGS)) await refuseLogs(disk, directory);
  const { clusterName = "proglog", nameIfNew = "local", random = systemRandom } = options;
  const clusterId = options.waitsIfNew === true ? "" : newClusterId(random);
  const meta = newMeta({ clusterName, clusterId, name: options.name ?? nameIfNew }, random);
  const unfinished = join(directory, UNFINISHED_META_FILE);
  await writeDurably(disk, unfinished, encodeMeta(meta), "replace");
  return { meta, fresh: true };
}

/**
 * Undefined when its writing was interrupted: then nothing was made under that identity. It is written
 * once more, over itself, since a process that was killed may have left it in the page cache alone.
 */
async function unfinishedMeta(disk: Disk, path: string): Promise<Meta | undefined> {
  const bytes = await readSmall(disk, path);
  try {
    const meta = decodeMeta(bytes, path);
    await writeDurably(disk, path, bytes, "write");
    return meta;
  } catch (error) {
    if (error instanceof ProglogError && error.code === "UNSUPPORTED_FORMAT") return undefined;
    throw error;
  }
}

async function readSmall(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, "read");
  try {
    const size = await file.size();
    if (size > limits.metaBytesMax) throw unsupported(path, `it has ${size} bytes`);
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** The name becomes durable with the sync of the directory that follows. */
async function writeDurably(
  disk: Disk,
  path: string,
  bytes: Uint8Array,
  mode: "write" | "replace",
): Promise<void> {
  const file = await disk.open(path, mode);
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A log without an identity: a new one would make its records somebody else's. */
async function refuseLogs(disk: Disk, directory: string): Promise<void> {
  for (const log of await disk.list(join(directory, LOGS))) {
    const files = await disk.list(join(directory, LOGS, log)).catch(() => []);
    if (files.some((name) => LOG_FILE.test(name))) {
      throw unsupported(directory, `it holds the log "${log}", but no ${META_FILE}`);
    }
  }
}

function refuseOther(directory: string, meta: Meta, configured: DataDirectoryOptions): void {
  for (const [field, word] of [
    ["clusterName", "cluster name"],
    ["name", "node name"],
  ] as const) {
    const wanted = configured[field];
    if (wanted === undefined || wanted === meta[field]) continue;
    throw new ProglogError(
      "CONFIGURATION",
      `the data directory ${directory} belongs to "${meta.name}" of the cluster ` +
        `"${meta.clusterName}", but the configured ${word} is "${wanted}"`,
      { details: { directory, name: meta.name, clusterName: meta.clusterName } },
    );
  }
}

class HeldDirectory implements DataDirectory {
  readonly path: string;
  readonly disk: Disk;
  #meta: Meta;
  #fresh: boolean;
  readonly #lock: DirectoryLock | undefined;

  constructor(
    disk: Disk,
    path: string,
    found: {
      readonly meta: Meta;
      readonly fresh: boolean;
      readonly lock: DirectoryLock | undefined;
    },
  ) {
    this.disk = disk;
    this.path = path;
    this.#meta = found.meta;
    this.#fresh = found.fresh;
    this.#lock = found.lock;
  }

  get meta(): Meta {
    return this.#meta;
  }

  get fresh(): boolean {
    return this.#fresh;
  }

  async readSmallFile(name: string): Promise<Uint8Array | undefined> {
    if (!(await this.disk.list(this.path)).includes(name)) return undefined;
    return readSmall(this.disk, join(this.path, name));
  }

  async replaceSmallFile(name: string, bytes: Uint8Array): Promise<void> {
    await writeDurably(this.disk, join(this.path, `${name}${NEXT}`), bytes, "replace");
    await this.#rename(`${name}${NEXT}`, name);
  }

  async joinCluster(clusterId: string): Promise<void> {
    assert(this.#meta.clusterId === "" && !this.#fresh, "a directory comes into one cluster only");
    await this.#setCluster(clusterId);
  }

  async leaveCluster(): Promise<string> {
    assert(this.#meta.clusterId !== "" && !this.#fresh, "there is a cluster to be left");
    const clusterId = newClusterId(systemRandom);
    await this.#setCluster(clusterId);
    return clusterId;
  }

  async #setCluster(clusterId: string): Promise<void> {
    const meta = { ...this.#meta, clusterId };
    await this.replaceSmallFile(META_FILE, encodeMeta(meta));
    this.#meta = meta;
  }

  async finishFirstStart(): Promise<void> {
    if (!this.#fresh) return;
    await this.#rename(UNFINISHED_META_FILE, META_FILE);
    this.#fresh = false;
  }

  async #rename(from: string, to: string): Promise<void> {
    await this.disk.rename(join(this.path, from), join(this.path, to));
    await this.disk.syncDirectory(this.path);
  }

  logDirectory(name: string): string {
    assert(LOG_NAME.test(name), `"${name}" can name a log's directory`);
    return join(this.path, LOGS, name);
  }

  async remove(): Promise<void> {
    // When this is interrupted, what is left is no log that was lost.
    if (!this.#fresh) await this.#rename(META_FILE, UNFINISHED_META_FILE);
    this.#fresh = true;
    const logs = join(this.path, LOGS);
    const directories = (await this.disk.list(logs)).map((name) => join(logs, name));
    for (const directory of directories) {
      for (const name of await this.disk.list(directory)) {
        await this.disk.unlink(join(directory, name));
      }
      await this.disk.syncDirectory(directory);
    }
    // Last, and after the logs are gone for certain: a log must never be without its identity.
    await this.disk.unlink(join(this.path, UNFINISHED_META_FILE));
    await this.disk.syncDirectory(this.path);
    await this.close();
    if (this.disk !== realDisk) return;
    for (const empty of [...directories, logs, this.path])
      await rmdir(empty).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#lock?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
