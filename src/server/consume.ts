import {
  decodeConsumeRequest,
  encodeConsumeResponseAt,
  messageOf,
  offsetOutOfRange,
} from "../api/index.ts";
import type { ConsumeRequest } from "../api/index.ts";
import { assert, ProglogError, RecordCursor } from "../base/index.ts";
import type { Span } from "../base/index.ts";
import type { CommitLog } from "./commit-log.ts";
import { checkLogName } from "./calls.ts";
import { asPlainRun, inflateRun } from "./inflate.ts";
import type { Run } from "./tail-page.ts";
import type { Tails } from "./tails.ts";

/** A request to read whose offset a log can have. */
export interface ReadRequest extends ConsumeRequest {
  readonly offset: number;
  readonly minOffset: number | undefined;
}

/** Refuses what no log can have; the offset itself may still be outside of this one. */
export function readRequest(log: CommitLog, bytes: Buffer): ReadRequest {
  const request = decodeConsumeRequest(bytes);
  checkLogName(log, request.log);
  const { offset, minOffset } = request;
  if (typeof offset === "bigint") throw offsetOutOfRange(offset, log);
  if (typeof minOffset === "bigint") throw offsetOutOfRange(minOffset, log);
  return { ...request, offset, minOffset };
}

/** Waits for what a reader asked to see first. */
export async function awaitFreshness(
  tails: Tails,
  request: ReadRequest,
  signal: AbortSignal,
): Promise<void> {
  if (request.linearizable) await tails.log.readBarrier(signal);
  if (request.minOffset !== undefined) await tails.waitFor(request.minOffset, signal);
}

/** Whether a request can be served from what is here now. */
export function needsFreshness(tails: Tails, { linearizable, minOffset }: ReadRequest): boolean {
  return linearizable || (minOffset !== undefined && minOffset >= tails.log.highWatermark);
}

/**
 * Reads one record as it goes over a wire. Throws `OFFSET_OUT_OF_RANGE`: below the lowest offset at
 * once, above the high watermark only when nothing more was committed anywhere (a read barrier).
 */
export async function readRecord<T>(
  log: CommitLog,
  offset: number,
  signal: () => AbortSignal,
  encode: (cursor: RecordCursor, term: number) => T,
  span?: Span,
): Promise<T> {
  if (offset >= log.highWatermark) await log.readBarrier(signal());
  if (offset < log.lowestOffset || offset >= log.highWatermark) {
    throw offsetOutOfRange(offset, log);
  }
  const cached = log.readCached(offset, 1);
  const plain = cached === undefined ? undefined : asPlainRun(cached);
  if (plain !== undefined) return recordOf(plain, offset, encode);
  const batches = await traced(span, "log.read", () => log.read(offset, 1, signal()));
  return recordOf(await inflateRun(batches), offset, encode);
}

function recordOf<T>(
  run: Run,
  offset: number,
  encode: (cursor: RecordCursor, term: number) => T,
): T {
  const batch = run.batches[0];
  assert(batch !== undefined, "a read below the high watermark gives a batch");
  const inflated = run.inflated?.get(batch);
  const cursor = new RecordCursor({ gunzip: () => inflated ?? new Uint8Array() });
  const { leaderEpoch } = cursor.open(batch);
  cursor.skipTo(offset);
  if (!cursor.next() || cursor.offset !== offset) {
    throw new ProglogError("DATA_LOSS", `the record at ${offset} is not in its batch`);
  }
  return encode(cursor, leaderEpoch);
}

/** Work as a part of a call's trace, when there is one. */
async function traced<T>(span: Span | undefined, name: string, work: () => Promise<T>): Promise<T> {
  const part = span?.child(name);
  try {
    const result = await work();
    part?.end();
    return result;
  } catch (caught) {
    part?.end(messageOf(ProglogError.from(caught)));
    throw caught;
  }
}

/** Consume: one record. */
export async function consume(
  tails: Tails,
  bytes: Buffer,
  signal: () => AbortSignal,
  span: Span | undefined,
): Promise<Buffer> {
  const request = readRequest(tails.log, bytes);
  if (needsFreshness(tails, request)) await awaitFreshness(tails, request, signal());
  return readRecord(tails.log, request.offset, signal, encodeConsumeResponseAt, span);
}
