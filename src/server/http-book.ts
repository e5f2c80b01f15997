/** `POST /` and `GET /`: one record, as in the first chapter of the book. Values are base64. */
import type { RecordCursor } from "../base/index.ts";
import { checkRecord } from "../base/index.ts";
import type { RecordInput } from "../base/index.ts";
import { readRecord } from "./consume.ts";
import { decodeBase64, encodeBase64 } from "./http-base64.ts";
import { JSON_TYPE } from "./http-exchange.ts";
import type { Exchange } from "./http-exchange.ts";
import { asObject, asWholeNumber, fieldOf, invalid, parseJson } from "./http-json.ts";
import { readQuery } from "./http-query.ts";
import type { GatewayContext } from "./http-context.ts";

/** `{"record":{"value":"…"}}` → `{"offset":0}`, whatever the content type says. */
export async function produceOne(context: GatewayContext, exchange: Exchange): Promise<void> {
  readQuery(exchange.search, []);
  const body = await exchange.readBody("RECORD_TOO_LARGE");
  const record = readBookRecord(parseJson(body, context.limits.jsonDepthMax));
  checkRecord(record);
  exchange.proposed = true;
  const { signal, origin, call } = exchange;
  const { baseOffset } = await context.log.append(record, { signal, origin, span: call.span });
  exchange.answer(200, JSON_TYPE, `{"offset":${baseOffset}}\n`);
}

/** `{"offset":0}`, or `?offset=0` → `{"record":{"value":"…","offset":0}}`. */
export async function consumeOne(context: GatewayContext, exchange: Exchange): Promise<void> {
  const inQuery = readQuery(exchange.search, ["offset"]).get("offset");
  const body = await exchange.readBody("RECORD_TOO_LARGE");
  if (inQuery !== undefined && body.length > 0) {
    throw invalid("the offset is asked for in the path or in the body, not in both");
  }
  if (inQuery === undefined && body.length === 0) {
    throw invalid('which record? The body is {"offset":0}, or the path /?offset=0');
  }
  const offset = asWholeNumber(
    inQuery ??
      fieldOf(asObject(parseJson(body, context.limits.jsonDepthMax), "the body"), "offset"),
    "offset",
  );
  const { span } = exchange.call;
  const json = await readRecord(context.log, offset, () => exchange.signal, encodeBookRecord, span);
  exchange.throwIfRevoked();
  exchange.answer(200, JSON_TYPE, json);
}

function readBookRecord(body: unknown): RecordInput {
  const record = asObject(fieldOf(asObject(body, "the body"), "record"), '"record"');
  const value = fieldOf(record, "value");
  if (value === null) return { value: null };
  if (typeof value === "string") return { value: decodeBase64(value, "value") };
  // An empty record may be written as one. A record with other names has its value under a wrong one.
  if (value === undefined && Object.keys(record).length === 0) return { value: new Uint8Array() };
  throw invalid('"value" is the record\'s bytes as base64');
}

function encodeBookRecord(cursor: RecordCursor): string {
  const bytes = cursor.value();
  const value = bytes === null ? "null" : `"${encodeBase64(bytes)}"`;
  return `{"record":{"value":${value},"offset":${cursor.offset}}}\n`;
}
