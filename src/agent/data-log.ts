import { access } from "node:fs/promises";
import * as path from "node:path";
import { gunzipBounded } from "../api/index.ts";
import { NOBODY, ProglogError, soleVoter } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { Log, openDataDirectory } from "../log/index.ts";
import type { DataDirectory, Disk } from "../log/index.ts";
import { ProducerTable, Replica } from "../replica/index.ts";
import type { ReplicaOptions } from "../replica/index.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentConfig } from "./settings.ts";
import { defaultNodeName } from "./settings.ts";

export type DataLogSettings = Pick<
  AgentConfig,
  "dataDir" | "nodeName" | "clusterName" | "fsync" | "segmentBytes" | "scrubBytesPerSecond"
>;

export interface DataLogOptions {
  readonly observer?: Observer | undefined;
  /** Told once when the disk failed: nothing can be acknowledged any more. */
  readonly onFailure?: ((error: ProglogError) => void) | undefined;
  /** Absent: the real one. Only on the real one is the directory locked. */
  readonly disk?: Disk | undefined;
  /** Others take part, who give back what this server lost: an emptied log begins as damaged. */
  readonly hasOthers?: boolean | undefined;
  /** A new directory makes no cluster of one: it waits to be taken into another. */
  readonly waitsIfNew?: boolean | undefined;
  /** Refuse a directory in which there is no log, instead of making one. */
  readonly mustExist?: boolean | undefined;
  /** Look only: every file stays as it is. */
  readonly readOnly?: boolean | undefined;
  readonly ports?: AgentPorts | undefined;
}

/** A server's log, held by this process, without a server around it. */
export interface DataLog extends AsyncDisposable {
  readonly directory: DataDirectory;
  readonly log: Log;
  readonly producers: ProducerTable;
  close(): Promise<void>;
}

/**
 * Opens the log of a data directory the way a server does: takes the lock, cuts what an unclean stop
 * has torn, and keeps the table of producers in step. Throws `LOCKED`, `UNSUPPORTED_FORMAT`,
 * `CONFIGURATION`, `STORAGE_FAILED`, `DATA_LOSS`.
 */
export async function openDataLog(
  settings: DataLogSettings,
  options: DataLogOptions = {},
): Promise<DataLog> {
  const { observer, onFailure, disk, hasOthers = false } = options;
  const { mustExist = false, readOnly = false, waitsIfNew = false, ports } = options;
  const { clock, random } = ports ?? {};
  if (mustExist) await refuseEmpty(settings.dataDir);
  const directory = await openDataDirectory(settings.dataDir, {
    name: settings.nodeName || undefined,
    clusterName: settings.clusterName || undefined,
    nameIfNew: defaultNodeName(),
    disk,
    readOnly,
    waitsIfNew,
    random,
  });
  try {
    const { name, replicaId, clusterId } = directory.meta;
    const alone = { configuration: soleVoter({ replicaId, name }), vote: replicaId };
    const ifLost = hasOthers ? "damaged" : "refuse";
    const producers = new ProducerTable();
    const log = await Log.open({
      directory: directory.logDirectory("default"),
      state: producers,
      initial: clusterId === "" ? { configuration: NOBODY, vote: 0 } : alone,
      ifMissing: directory.fresh ? "make" : ifLost,
      segmentBytesMax: settings.segmentBytes,
      fsync: settings.fsync === "always",
      scrubBytesPerSecond: settings.scrubBytesPerSecond,
      disk: directory.disk,
      ...(clock === undefined ? {} : { clock }),
      ...(random === undefined ? {} : { random }),
      ...(observer === undefined ? {} : { observer }),
      ...(onFailure === undefined ? {} : { onFailure }),
    });
    await directory.finishFirstStart();
    const close = async (): Promise<void> => {
      try {
        await log.close();
      } finally {
        await directory.close();
      }
    };
    return { directory, log, producers, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

async function refuseEmpty(directory: string): Promise<void> {
  const isThere = async (name: string): Promise<boolean> =>
    access(path.join(directory, name)).then(
      () => true,
      () => false,
    );
  if ((await isThere("meta.json")) || (await isThere("logs"))) return;
  throw new ProglogError("CONFIGURATION", `there is no log in ${directory}`);
}

/** The replica over an opened log: what appends go through, with or without a server. */
export function startReplica(
  { log, producers, directory }: DataLog,
  options: Omit<ReplicaOptions, "log" | "producers" | "replicaId" | "name" | "gunzip">,
): Promise<Replica> {
  const { replicaId } = directory.meta;
  return Replica.start({ log, producers, replicaId, gunzip: gunzipBounded, ...options });
}
