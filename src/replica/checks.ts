import { ProglogError } from "../base/index.ts";
import type { AppendOptions, BatchHeader, ProducerStamp } from "../base/index.ts";
import { PRODUCER_EPOCH_MAX } from "./producer-codec.ts";

const SEQUENCE_MAX = 2_147_483_647;

/** `INVALID_ARGUMENT` unless the conditions of an append are such that they can be decided about. */
export function checkConditions({ stamp, expectedOffset }: AppendOptions): void {
  if (expectedOffset !== undefined && !isWhole(expectedOffset, Number.MAX_SAFE_INTEGER)) {
    throw invalid(`expected offset ${expectedOffset} is no offset`);
  }
  if (stamp === undefined) return;
  const { id, epoch, sequence } = stamp;
  const fits =
    isWhole(id, Number.MAX_SAFE_INTEGER) &&
    isWhole(epoch, PRODUCER_EPOCH_MAX) &&
    isWhole(sequence, SEQUENCE_MAX);
  if (!fits) {
    throw invalid(
      `producer stamp (id ${id}, epoch ${epoch}, sequence ${sequence}) is out of range`,
    );
  }
}

/** A batch carries its stamp in its own header; one beside it may only say the same. */
export function batchStamp(
  header: BatchHeader,
  beside: ProducerStamp | undefined,
): ProducerStamp | undefined {
  const { producerId: id, producerEpoch: epoch, baseSequence: sequence } = header;
  const same =
    beside === undefined ||
    (beside.id === id && beside.epoch === epoch && beside.sequence === sequence);
  if (!same) throw invalid("a batch carries another producer stamp than the request");
  return id < 0 ? undefined : { id, epoch, sequence };
}

export function checkOffset(offset: number): void {
  if (!isWhole(offset, Number.MAX_SAFE_INTEGER)) throw invalid(`${offset} is no offset`);
}

/** The same error, with the word that nothing was appended. */
export function notAppended(error: ProglogError): ProglogError {
  if (error.notAppended) return error;
  const { code, message, details } = error;
  return new ProglogError(code, message, { cause: error, details, notAppended: true });
}

function isWhole(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function invalid(message: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", message);
}

/** What a caller gets whose signal was aborted. */
export function abortError(signal: AbortSignal): ProglogError {
  return ProglogError.from(signal.reason, "CANCELLED");
}
