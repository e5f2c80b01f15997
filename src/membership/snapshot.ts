import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { limits, ProglogError } from "../base/index.ts";
import type { Clocks } from "../gossip/index.ts";
import { isSeed } from "./joiner.ts";

/** What is remembered for the next start: how to find the others, and which events are old. */
export interface Snapshot {
  /** The member's own name: another one's snapshot is not believed. */
  readonly name: string;
  readonly clocks: Clocks;
  /** Members that were alive, as `host:port`. */
  readonly addresses: readonly string[];
}

/** Where a snapshot is kept. */
export interface SnapshotStore {
  /** Undefined when there is none. */
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
}

const FORMAT = 1;

export function writeSnapshot(snapshot: Snapshot): string {
  const { name, clocks, addresses } = snapshot;
  const text = {
    format: FORMAT,
    name,
    member_time: clocks.time,
    event_time: clocks.eventTime,
    query_time: clocks.queryTime,
    addresses,
  };
  return `${JSON.stringify(text, undefined, 2)}\n`;
}

/** Undefined for anything but a whole snapshot of this member: then a start needs a seed. */
export function readSnapshot(text: string, name: string): Snapshot | undefined {
  const read = parse(text);
  if (read?.["format"] !== FORMAT || read["name"] !== name) return undefined;
  const { addresses } = read;
  const times = [read["member_time"], read["event_time"], read["query_time"]];
  if (!times.every(isTime) || !Array.isArray(addresses) || !addresses.every(isAddress)) {
    return undefined;
  }
  const [time = 1, eventTime = 1, queryTime = 1] = times;
  const clocks = { time, eventTime, queryTime };
  return { name, clocks, addresses: addresses.slice(0, limits.snapshotMembersMax) };
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && isSeed(value);
}

/**
 * A file, replaced whole. Not fsynced: after a power loss it may be empty or old, and a start then
 * needs a seed, as a first one does.
 */
export function fileSnapshot(file: string): SnapshotStore {
  return {
    read: async () => {
      try {
        const bytes = await readFile(file);
        return bytes.length > limits.snapshotBytesMax ? undefined : bytes.toString("utf8");
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw new ProglogError("STORAGE_FAILED", `${file} cannot be read`, { cause });
      }
    },
    write: async (text) => {
      const temporary = `${file}.tmp`;
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(temporary, text);
      await rename(temporary, file);
    },
  };
}
