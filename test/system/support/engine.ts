/**
 * Appends to a log until it is killed, and says on standard output, a file, what was acknowledged:
 *
 *     open <lowest offset> <next offset>
 *     ack <base offset> <first serial> <count>
 *
 * Arguments: the directory, then JSON: `first` (serial), `writers` (at once), `groups` (appends of
 * each; absent: without end), `segmentBytesMax`. Ends with 74 when the disk failed.
 *
 * Runs on the built package, compiled by `engine-run.ts`, because it is started thousands of times.
 */
import { writeSync } from "node:fs";
import { argv, exit } from "node:process";
import { openLog } from "../../../src/log/index.ts";
import type { EmbeddedLog } from "../../../src/log/index.ts";
import { valueOf } from "./engine-value.ts";

interface Settings {
  readonly first: number;
  readonly writers: number;
  readonly groups?: number;
  readonly segmentBytesMax: number;
}

const [directory = "", settings = ""] = argv.slice(2);
const { first, writers, groups = Infinity, segmentBytesMax } = JSON.parse(settings) as Settings;
const encoder = new TextEncoder();
let serial = first;

/** Written at once: what was said outlives the process. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(" ")}\n`);
}

async function write(log: EmbeddedLog): Promise<void> {
  for (let group = 0; group < groups; group++) {
    const from = serial;
    const count = 1 + (from % 3);
    serial += count;
    const records = Array.from({ length: count }, (_, i) => ({
      value: encoder.encode(valueOf(from + i)),
    }));
    const { baseOffset } = await log.append(records);
    say("ack", baseOffset, from, count);
  }
}

/** An error of the disk ends it like a server. */
async function open(): Promise<EmbeddedLog> {
  try {
    return await openLog(directory, {
      segmentBytesMax,
      freeBytesMin: 0,
      scrubBytesPerSecond: 0,
      onFailure: () => exit(74),
    });
  } catch (error) {
    if ((error as { readonly code?: string }).code !== "STORAGE_FAILED") throw error;
    return exit(74);
  }
}

const log = await open();
say("open", log.lowestOffset, log.nextOffset);
await Promise.all(Array.from({ length: writers }, () => write(log)));
await log.close();
