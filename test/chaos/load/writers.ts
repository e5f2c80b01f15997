import { setTimeout as sleep } from "node:timers/promises";
import { below, chance, ProglogError } from "../../../src/base/index.ts";
import type { Random } from "../../../src/base/index.ts";
import type { Client } from "../../../src/client/index.ts";
import type { History, Outcome } from "./history.ts";
import { textOf } from "./history.ts";

export interface Load {
  readonly history: History;
  readonly random: Random;
  /** A client of the cluster, closed by who asks for it. */
  readonly client: (timeoutMs?: number) => Client;
  readonly signal: AbortSignal;
}

/** What no server may answer to a producer that did nothing wrong. */
const NEVER: ReadonlySet<string> = new Set([
  "UNKNOWN_PRODUCER",
  "SEQUENCE_GAP",
  "DUPLICATE_SEQUENCE",
  "PRODUCER_FENCED",
]);
const IN_FLIGHT_MAX = 16;
const PAUSE_MS_MAX = 40;
const MISMATCHES_MAX = 8;
const PLAIN_TIMEOUT_MS = 8_000;
const AFTER_FAILURE_MS = 50;

const bytesOf = (text: string): Buffer => Buffer.from(text);

function outcomeOf(error: unknown): Outcome {
  return error instanceof ProglogError && error.notAppended ? "fail" : "info";
}

/** A producer whose batches are sent again until it is known what became of them; and, failed, the next. */
export async function idempotentWriter(load: Load, name: string): Promise<void> {
  for (let life = 0; !load.signal.aborted; life++) {
    await using client = load.client();
    await produce(load, client, `${name}.${life}`);
  }
}

/** Until it fails or the run is over. */
async function produce(load: Load, client: Client, name: string): Promise<void> {
  const { history, random, signal } = load;
  const producer = client.producer();
  const waiting = new Set<Promise<void>>();
  const failure = new AbortController();
  for (let n = 0; !signal.aborted && !failure.signal.aborted; n++) {
    const text = textOf(name, n);
    const begun = history.begin("idempotent", text);
    const done = producer
      .send({ value: bytesOf(text) })
      .then((sent) => sent.ack)
      .then(
        ({ offset, term }) => history.end(begun, offset, term),
        (error: unknown) => {
          failure.abort();
          history.end(begun, outcomeOf(error));
          const { code, message } = ProglogError.from(error);
          if (NEVER.has(code))
            history.violate("P1", `producer ${name} was told ${code}: ${message}`);
        },
      )
      .finally(() => waiting.delete(done));
    waiting.add(done);
    if (waiting.size >= IN_FLIGHT_MAX) await Promise.race(waiting);
    await sleep(below(random, PAUSE_MS_MAX));
  }
  await Promise.all(waiting);
  await producer.close().catch(() => undefined);
}

/** Each value once; now and then it gives up early. */
export async function plainWriter(load: Load, name: string): Promise<void> {
  const { history, random, signal } = load;
  await using client = load.client(PLAIN_TIMEOUT_MS);
  for (let n = 0; !signal.aborted; n++) {
    const text = textOf(name, n);
    const cancel = chance(random, 0.02) ? AbortSignal.timeout(below(random, 20)) : undefined;
    const begun = history.begin("plain", text);
    try {
      const { offset, term } = await client.produce({ value: bytesOf(text) }, { signal: cancel });
      history.end(begun, offset, term);
    } catch (error) {
      history.end(begun, outcomeOf(error));
      await sleep(AFTER_FAILURE_MS);
    }
    await sleep(below(random, PAUSE_MS_MAX));
  }
}

/** Appends where it believes the end to be, with others who do the same: at each offset one wins. */
export async function conditionalWriter(load: Load, name: string): Promise<void> {
  const { history, random, signal } = load;
  await using client = load.client(PLAIN_TIMEOUT_MS);
  let next = 0;
  for (let n = 0; !signal.aborted; n++) {
    const text = textOf(name, n);
    const begun = history.begin("conditional", text);
    try {
      const record = { value: bytesOf(text) };
      const { offset, term } = await client.produce(record, { expectedOffset: next });
      if (offset !== next) {
        history.violate("C1", `an append for offset ${next} was acknowledged at ${offset}`);
      }
      history.end(begun, offset, term);
      next = offset + 1;
    } catch (error) {
      history.end(begun, outcomeOf(error));
      const told = error instanceof ProglogError ? Number(error.details["next"]) : Number.NaN;
      next = Number.isSafeInteger(told) ? told : history.next;
      // At once, or somebody else is there first again.
      if (Number.isSafeInteger(told) && n % MISMATCHES_MAX > 0) continue;
    }
    await sleep(below(random, PAUSE_MS_MAX));
  }
}
