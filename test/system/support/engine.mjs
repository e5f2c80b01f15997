/**
 * Appends to a log until it is killed, and says on standard output, a file, what was acknowledged:
 *
 *     open <lowest offset> <next offset>
 *     ack <base offset> <first serial> <count>
 *
 * Arguments: the directory, then JSON: `first` (serial), `writers` (at once), `groups` (appends of
 * each; absent: without end), `segmentBytesMax`. Ends with 74 when the disk failed.
 *
 * Plain JavaScript on the built package, because it is started thousands of times.
 */
import { writeSync } from "node:fs";
import { argv, exit } from "node:process";
import { openLog } from "../../../dist/log/index.js";

const [directory, settings] = argv.slice(2);
const { first, writers, groups = Infinity, segmentBytesMax } = JSON.parse(settings);
const encoder = new TextEncoder();
let serial = first;

/** The same as `valueOf` in engine-run.ts. */
function valueOf(of) {
  return `${of}:${"v".repeat((of * 7919) % 400)}`;
}

/** Written at once: what was said outlives the process. */
function say(...words) {
  writeSync(1, `${words.join(" ")}\n`);
}

async function write(log) {
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
async function open() {
  try {
    return await openLog(directory, {
      segmentBytesMax,
      freeBytesMin: 0,
      scrubBytesPerSecond: 0,
      onFailure: () => exit(74),
    });
  } catch (error) {
    if (error.code !== "STORAGE_FAILED") throw error;
    return exit(74);
  }
}

const log = await open();
say("open", log.lowestOffset, log.nextOffset);
await Promise.all(Array.from({ length: writers }, () => write(log)));
await log.close();
