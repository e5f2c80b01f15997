import { decodeConsumeBatchResponse, encodeConsumeRequest } from "../api/index.ts";
import { batchEndOffset, ProglogError, readBatchHeader, splitBatches } from "../base/index.ts";
import { type Connection, decodeAnswer } from "./connection.ts";
import { Backoff, type RetryPolicy } from "./retry.ts";

/** What is read: from an offset on, up to but not including another. */
export interface ReadRange {
  readonly from: number;
  /** Infinity: wait for new records at the end of the log. */
  readonly end: number;
  /** It goes on where the log ended when it began. */
  readonly follow: boolean;
  readonly log: string;
  readonly linearizable: boolean;
  readonly minOffset: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * The batches of a range as the server has them, one array for each message. After a broken
 * connection it goes on where it was: offsets are dense, so nothing is read twice or left out.
 */
export async function* readBatches(
  connection: Connection,
  range: ReadRange,
  retry: RetryPolicy,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const backoff = new Backoff(retry);
  let next = range.from;
  while (next < range.end) {
    const maxRecords = Number.isFinite(range.end) ? range.end - next : 0;
    const request = encodeConsumeRequest({ ...range, offset: next, maxRecords, maxBytes: 0 });
    const { call, release } = connection.readStream("ConsumeBatches", request, range);
    let failure: ProglogError;
    try {
      for await (const message of call as AsyncIterable<Buffer>) {
        const batches = batchesOf(message, next);
        const last = batches.at(-1);
        if (last === undefined) continue;
        backoff.reset();
        next = batchEndOffset(last);
        yield batches;
        if (next >= range.end) return;
      }
      if (next >= range.end) return;
      throw new ProglogError("UNAVAILABLE", "the server ended the stream");
    } catch (caught) {
      const error = connection.errorOf(caught, range.signal);
      if (!error.retryable || backoff.failed(error)) throw error;
      failure = error;
    } finally {
      release();
    }
    await backoff.wait(failure, range.signal);
  }
}

/** The batches of one message, which must go on at `next`. */
function batchesOf(message: Buffer, next: number): Uint8Array[] {
  const batches = decodeAnswer((bytes) => {
    return splitBatches(decodeConsumeBatchResponse(bytes).batches);
  }, message);
  let end = next;
  for (const batch of batches) {
    const { baseOffset } = readBatchHeader(batch);
    if (baseOffset > end || batchEndOffset(batch) <= end) {
      throw new ProglogError("INTERNAL", `the server sent offset ${baseOffset} instead of ${end}`);
    }
    end = batchEndOffset(batch);
  }
  return batches;
}
