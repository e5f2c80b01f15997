/**
 * # base: words that every other folder shares
 *
 * Assertions for our own mistakes, one error class with one frozen list of codes for the world's,
 * every limit in one place, bytes and checksums, and the ports for time, chance and observation.
 *
 * Invariants: nothing here imports anything of ours or of Node's, so that the same words work in a
 * browser; nothing here keeps state.
 *
 * Left out on purpose: anything with an opinion about logs, networks or files.
 */
export { formatAddress } from "./address.ts";
export type * from "./append.ts";
export * from "./assert.ts";
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./configuration.ts";
export { crc32c } from "./crc32c.ts";
export * from "./deque.ts";
export { decodeError, encodeError } from "./error-json.ts";
export * from "./errors.ts";
export * from "./observed-call.ts";
export * from "./observer.ts";
export * from "./random.ts";
export {
  checkBatchChecksum,
  type ValidateBatchOptions,
  validateBatch,
} from "./record-batch-check.ts";
export {
  type DecodedRecord,
  decodeBatch,
  type ReadBatchOptions,
  RecordCursor,
} from "./record-batch-read.ts";
export {
  BatchBuilder,
  type BatchBuilderOptions,
  encodeBatch,
  type EncodeBatchOptions,
  type FinishOptions,
} from "./record-batch-write.ts";
export {
  BATCH_ATTRIBUTES,
  BATCH_CODEC,
  BATCH_OVERHEAD_BYTES,
  batchEndOffset,
  type BatchHeader,
  batchSizeAt,
  type Gunzip,
  readBatchHeader,
  type RecordHeader,
  splitBatches,
  stampBatch,
} from "./record-batch.ts";
export { checkRecord, recordBytes, recordSize } from "./record-size.ts";
export * as limits from "./limits.ts";
