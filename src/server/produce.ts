import {
  decodeProduceBatchRequest,
  decodeProduceRequest,
  encodeProduceBatchResponse,
  encodeProduceResponse,
} from "../api/index.ts";
import { checkRecord, limits, ProglogError } from "../base/index.ts";
import type { AppendAnswer, AppendOptions } from "../base/index.ts";
import { checkLogName } from "./calls.ts";
import type { CommitLog } from "./commit-log.ts";
import { refusalOf } from "./failures.ts";

/** What an append has from the call that it came with. */
export type AppendCaller = Pick<AppendOptions, "stream" | "span" | "origin">;

/** One kind of message that appends: what it asks the log for, and how the answer looks. */
export interface Appends {
  /**
   * Rejects, or throws, with `notAppended` set when the request was refused here. An append that
   * was proposed is not ended by a caller who leaves, so there is no signal.
   */
  propose(request: Buffer, caller: AppendCaller): Promise<AppendAnswer>;
  encode(answer: AppendAnswer): Buffer;
}

export function recordAppends(log: CommitLog): Appends {
  return {
    propose: (request, { stream, span, origin }) => {
      const { record, expectedOffset, stamp } = refusing(() => {
        const decoded = decodeProduceRequest(request);
        checkLogName(log, decoded.log);
        checkRecord(decoded.record);
        return decoded;
      });
      return log.append(record, { expectedOffset, stamp, stream, span, origin });
    },
    encode: encodeProduceResponse,
  };
}

export function batchAppends(log: CommitLog): Appends {
  return {
    propose: (request, { stream, span, origin }) => {
      const { batch, expectedOffset } = refusing(() => {
        const decoded = decodeProduceBatchRequest(request);
        checkLogName(log, decoded.log);
        checkBatchSize(decoded.batch);
        return decoded;
      });
      // The view is of a buffer that the library made for this message and nobody else holds.
      return log.appendBatch(batch, { expectedOffset, stream, span, origin });
    },
    encode: encodeProduceBatchResponse,
  };
}

function checkBatchSize(batch: Uint8Array): void {
  if (batch.length <= limits.batchBytesMax) return;
  throw new ProglogError("BATCH_TOO_LARGE", `a batch of ${batch.length} bytes`, {
    details: { bytes: String(batch.length), bytesMax: String(limits.batchBytesMax) },
  });
}

function refusing<T>(check: () => T): T {
  try {
    return check();
  } catch (caught) {
    throw refusalOf(caught);
  }
}
