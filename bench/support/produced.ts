import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { Checker, valueOf } from "./values.ts";

/** Fills a server's log with records `from` to `to`, and waits until they are durable. */
export async function produceRecords(address: string, from: number, to: number): Promise<void> {
  await using client = connect(address);
  await produceValues(client, from, to);
}

/** The same by a client that is there already. */
export async function produceValues(client: Client, from: number, to: number): Promise<void> {
  await using producer = client.producer();
  for (let n = from; n < to; n++) await producer.send({ value: valueOf(n) });
  await producer.flush();
}

export interface Expected {
  readonly from: number;
  readonly count: number;
  /** Which value a record should have; left out, that of its offset. */
  readonly sequenceAt?: (offset: number) => number;
}

/** Reads records back from a server and compares each with what was sent. */
export async function checkProduced(
  what: string,
  address: string,
  expected: Expected,
): Promise<void> {
  const { from, count, sequenceAt = (offset: number) => offset } = expected;
  const checker = new Checker(what, from);
  await using client = connect(address);
  for await (const { value, offset } of client.records({ from })) {
    checker.take(value, offset, sequenceAt(offset));
  }
  checker.end(from + count);
}
