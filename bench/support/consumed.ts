import { decodeConsumeBatchResponse, encodeConsumeRequest } from "../../src/api/index.ts";
import type { Client } from "../../src/client/index.ts";
import type { Driver } from "./driver.ts";
import { readStream } from "./driver.ts";

/** Reads the log from its start, every record as an object. */
export async function readRecords(client: Client, count: number): Promise<void> {
  let received = 0;
  for await (const { value } of client.records({ limit: count })) {
    received += value === null ? 0 : 1;
  }
  if (received !== count) throw new Error(`${received} records came of ${count}`);
}

/** How many messages our server makes of the log, and how long they are together. */
export async function messagesOf(
  driver: Driver,
  maxRecords: number,
): Promise<{ readonly messages: number; readonly bytes: number }> {
  const from = { offset: 0, log: "", linearizable: false, minOffset: undefined, maxBytes: 0 };
  const request = encodeConsumeRequest({ ...from, maxRecords });
  let bytes = 0;
  const messages = await readStream(driver.stream("ConsumeBatches", request), (message) => {
    bytes += decodeConsumeBatchResponse(message).batches.length;
  });
  return { messages, bytes };
}
