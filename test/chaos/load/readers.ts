import { setTimeout as sleep } from "node:timers/promises";
import { below, ProglogError } from "../../../src/base/index.ts";
import type { Client, LogRecord } from "../../../src/client/index.ts";
import type { Load } from "./writers.ts";

const FRESH_PAUSE_MS = 100;
const AFTER_FAILURE_MS = 100;

export function textIn({ value }: LogRecord): string {
  return Buffer.from(value ?? []).toString();
}

/** Asks again and again for what is at the end, and for what is behind it: never an old answer. */
export async function freshReader(load: Load, client: Client): Promise<void> {
  const { history, random, signal } = load;
  await using asked = client;
  while (!signal.aborted) {
    const offset = Math.max(0, history.next - 2 + below(random, 4));
    await readFresh(load, asked, offset);
    await sleep(below(random, FRESH_PAUSE_MS));
  }
}

async function readFresh({ history, signal }: Load, client: Client, offset: number): Promise<void> {
  const invokedAt = history.moment();
  try {
    const record = await client.read(offset, { consistency: "linearizable", signal });
    history.freshReads++;
    history.saw(offset, textIn(record));
  } catch (caught) {
    const { code, details } = ProglogError.from(caught);
    // Below the start it says nothing of the end.
    const isBeyond = code === "OFFSET_OUT_OF_RANGE" && Number(details["next"]) <= offset;
    if (isBeyond) history.absent(offset, invokedAt);
    else await sleep(AFTER_FAILURE_MS);
  }
}

/**
 * Follows the log, whichever server serves it; goes on behind the last record after each failure, and at
 * the log's start when that has moved on. One that lags takes its time, and begins again at the start when
 * it has reached the end.
 */
export async function consumer(load: Load, name: string, lags: boolean): Promise<void> {
  const { history, random, signal } = load;
  await using client = load.client();
  let from = 0;
  while (!signal.aborted) {
    try {
      for await (const record of client.records({ from, follow: !lags, signal })) {
        if (record.offset !== from) {
          history.violate("S1", `${name} was given offset ${record.offset} in place of ${from}`);
        }
        history.saw(record.offset, textIn(record));
        from = record.offset + 1;
        if (lags && from % 64 === 0) await sleep(below(random, 20));
      }
      if (lags) from = (await client.offsets({ signal })).lowest;
    } catch (caught) {
      const { code, details } = ProglogError.from(caught);
      const lowest = Number(details["lowest"]);
      if (code === "DATA_LOSS") history.violate("S4", `${name}: ${String(caught)}`);
      else if (code === "OFFSET_OUT_OF_RANGE" && lowest > from) from = lowest;
    }
    await sleep(below(random, AFTER_FAILURE_MS));
  }
}
