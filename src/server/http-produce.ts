import { setImmediate as nextTurn } from "node:timers/promises";
import { BatchBuilder, checkRecord, ProglogError } from "../base/index.ts";
import type { AppendAnswer, ProducerStamp, RecordInput } from "../base/index.ts";
import { JSON_TYPE } from "./http-exchange.ts";
import type { Exchange } from "./http-exchange.ts";
import {
  asObject,
  asWholeNumber,
  fieldOf,
  invalid,
  parseJson,
  refuseUnknownFields,
} from "./http-json.ts";
import type { JsonObject } from "./http-json.ts";
import type { HttpLimits } from "./http-limits.ts";
import { readQuery } from "./http-query.ts";
import type { Query } from "./http-query.ts";
import { readRecordFields, RECORD_FIELDS } from "./http-record.ts";
import type { GatewayContext } from "./http-context.ts";

/** Under which the append is wanted. In the body of JSON; in the path for NDJSON, whose lines are records. */
interface Conditions {
  readonly expectedOffset: number | undefined;
  readonly stamp: ProducerStamp | undefined;
}

interface ProduceRequest extends Conditions {
  readonly count: number;
  recordAt(index: number): RecordInput;
}

const NEWLINE = 0x0a;
const SEQUENCE_MAX = 2 ** 31 - 1;
const EPOCH_MAX = 2 ** 15 - 1;
/** Records prepared before others have their turn of the event loop. */
const RECORDS_PER_TURN = 256;
const NDJSON_TYPE = /^application\/(x-ndjson|ndjson|jsonl|x-jsonlines)\s*(;|$)/i;
const RECORD: ReadonlySet<string> = new Set(RECORD_FIELDS);
const SINGLE: ReadonlySet<string> = new Set([...RECORD_FIELDS, "expected_offset", "producer"]);
const SEVERAL: ReadonlySet<string> = new Set(["records", "expected_offset", "producer"]);
const PRODUCER: readonly string[] = ["id", "epoch", "sequence"];
const NDJSON_PARAMETERS: readonly string[] = [
  "expected_offset",
  "producer_id",
  "producer_epoch",
  "producer_sequence",
];

/**
 * `POST /v1/records` → `{"offsets":[…]}`. The records of one request are one batch: they get
 * neighbouring offsets in their order, and either all of them are appended or none.
 */
export async function produceRecords(context: GatewayContext, exchange: Exchange): Promise<void> {
  const isNdjson = NDJSON_TYPE.test(exchange.request.headers["content-type"] ?? "");
  const query = readQuery(exchange.search, isNdjson ? NDJSON_PARAMETERS : []);
  const body = await exchange.readBody("BATCH_TOO_LARGE");
  const { jsonDepthMax, recordsMax } = context.limits;
  const request = isNdjson
    ? readNdjson(body, query, context.limits)
    : readJson(parseJson(body, jsonDepthMax));
  if (request.count === 0) throw invalid("there are no records in the request");
  if (request.count > recordsMax) {
    throw new ProglogError("BATCH_TOO_LARGE", `the request has more than ${recordsMax} records`);
  }
  const answer = await append(context, exchange, request);
  const count = request.count === 1 ? 1 : answer.recordCount;
  const offsets = Array.from({ length: count }, (_, index) => answer.baseOffset + index);
  const duplicate = answer.duplicate ? ',"duplicate":true' : "";
  exchange.answer(200, JSON_TYPE, `{"offsets":[${offsets.join(",")}]${duplicate}}\n`);
}

async function append(
  { log, clock }: GatewayContext,
  exchange: Exchange,
  request: ProduceRequest,
): Promise<AppendAnswer> {
  const { count, expectedOffset, stamp } = request;
  const { signal, origin } = exchange;
  const { span } = exchange.call;
  if (count === 1) {
    const record = request.recordAt(0);
    checkRecord(record);
    exchange.proposed = true;
    return log.append(record, { expectedOffset, stamp, signal, span, origin });
  }
  const builder = new BatchBuilder();
  const nowMs = clock.now();
  for (let index = 0; index < count; index++) {
    if (!builder.add(request.recordAt(index), nowMs)) {
      throw new ProglogError("BATCH_TOO_LARGE", "the records do not fit into one batch");
    }
    if (index % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await nextTurn();
  }
  signal.throwIfAborted();
  const batch = builder.finish({ stamp });
  exchange.proposed = true;
  return log.appendBatch(batch, { expectedOffset, signal, span, origin });
}

/** A record, or `{"records":[…]}`; the conditions beside. */
function readJson(body: unknown): ProduceRequest {
  const object = asObject(body, "the body");
  const records = fieldOf(object, "records");
  const conditions = readConditions(object);
  if (records === undefined) {
    refuseUnknownFields(object, SINGLE, "the record");
    return { ...conditions, count: 1, recordAt: () => readRecordFields(object, "the record") };
  }
  refuseUnknownFields(object, SEVERAL, "the body");
  if (!Array.isArray(records)) throw invalid('"records" is a list');
  return {
    ...conditions,
    count: records.length,
    recordAt: (index) => readRecord(records[index], `records[${index}]`),
  };
}

/** A record a line; blank lines are passed over. */
function readNdjson(
  body: Buffer,
  query: Query,
  { jsonDepthMax, recordsMax }: HttpLimits,
): ProduceRequest {
  // One more than is allowed is enough to be refused.
  const lines = splitLines(body, recordsMax + 1);
  const stamp = ["producer_id", "producer_epoch", "producer_sequence"].map((name) =>
    query.get(name),
  );
  return {
    expectedOffset: readExpectedOffset(query.get("expected_offset")),
    stamp: stamp.every((part) => part === undefined) ? undefined : readStamp(stamp),
    count: lines.length,
    recordAt: (index) => {
      const place = `record ${index}`;
      return readRecord(parseJson(lines[index] as Buffer, jsonDepthMax, place), place);
    },
  };
}

function readRecord(value: unknown, place: string): RecordInput {
  const object = asObject(value, place);
  refuseUnknownFields(object, RECORD, place);
  return readRecordFields(object, place);
}

function readConditions(object: JsonObject): Conditions {
  const expectedOffset = readExpectedOffset(fieldOf(object, "expected_offset"));
  const producer = fieldOf(object, "producer");
  if (producer === undefined) return { expectedOffset, stamp: undefined };
  const stamp = asObject(producer, '"producer"');
  refuseUnknownFields(stamp, new Set(PRODUCER), '"producer"');
  return { expectedOffset, stamp: readStamp(PRODUCER.map((name) => fieldOf(stamp, name))) };
}

function readExpectedOffset(value: unknown): number | undefined {
  return value === undefined ? undefined : asWholeNumber(value, "expected_offset");
}

/** Of `PRODUCER`, in that order: all three. */
function readStamp([id, epoch, sequence]: readonly unknown[]): ProducerStamp {
  return {
    id: asWholeNumber(id, "producer id"),
    epoch: asWholeNumber(epoch, "producer epoch", EPOCH_MAX),
    sequence: asWholeNumber(sequence, "producer sequence", SEQUENCE_MAX),
  };
}

/** The first lines in which there is something. */
function splitLines(body: Buffer, linesMax: number): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; lines.length < linesMax;) {
    while (at < body.length && isBlank(body[at] as number)) at += 1;
    if (at === body.length) break;
    const newline = body.indexOf(NEWLINE, at);
    const end = newline < 0 ? body.length : newline;
    lines.push(body.subarray(at, end));
    at = end;
  }
  return lines;
}

function isBlank(byte: number): boolean {
  return byte === NEWLINE || byte === 0x20 || byte === 0x09 || byte === 0x0d;
}
