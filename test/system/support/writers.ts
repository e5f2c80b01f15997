import { decodeProduceResponse } from "../../../src/api/index.ts";
import { connect, ProglogError } from "../../../src/client/index.ts";
import { LogClient, produceRequest } from "../../support/log-server.ts";
import type { Journal } from "./journal.ts";

/** Requests of a stream that are under way at once. */
const STREAM_IN_FLIGHT = 8;

export interface WriterOptions {
  readonly address: string;
  readonly journal: Journal;
  /** Begins every value of this writer; no two writers have the same. */
  readonly name: string;
  /** Aborted when the server was killed: what fails from then on was to be expected. */
  readonly signal: AbortSignal;
}

export type Writer = (options: WriterOptions) => Promise<void>;

/** Values of many lengths, each once. */
function valueOf(name: string, n: number): string {
  return `${name}-${n}:${"w".repeat((n * 7919) % 300)}`;
}

/** One record a call, over gRPC. */
export const unaryWriter: Writer = async ({ address, journal, name, signal }) => {
  await using client = connect(address);
  for (let n = 0; !signal.aborted; n++) {
    const value = valueOf(name, n);
    try {
      const { offset } = await client.produce({ value: Buffer.from(value) }, { signal });
      journal.promise(offset, value);
    } catch (error) {
      journal.noPromise(value, ProglogError.from(error).notAppended);
      await whenAborted(signal);
    }
  }
};

/** The book's `POST /`, over HTTP/1.1 on the same port. */
export const httpWriter: Writer = async ({ address, journal, name, signal }) => {
  for (let n = 0; !signal.aborted; n++) {
    const value = valueOf(name, n);
    const body = JSON.stringify({ record: { value: Buffer.from(value).toString("base64") } });
    try {
      const response = await fetch(`http://${address}/`, { method: "POST", body, signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { offset } = (await response.json()) as { readonly offset: number };
      journal.promise(offset, value);
    } catch {
      journal.noPromise(value, false);
      await whenAborted(signal);
    }
  }
};

/** Many records under way on one `ProduceStream`, answered in order. */
export const streamWriter: Writer = async ({ address, journal, name, signal }) => {
  const client = new LogClient(address);
  const call = client.bidirectional("ProduceStream");
  const waiting: string[] = [];
  let sent = 0;
  const send = (): void => {
    while (!signal.aborted && waiting.length < STREAM_IN_FLIGHT) {
      const value = valueOf(name, sent++);
      waiting.push(value);
      call.write(produceRequest(value));
    }
  };
  call.on("error", () => undefined);
  call.on("data", (reply: Buffer) => {
    const value = waiting.shift();
    if (value === undefined) throw new Error("an answer without a request");
    journal.promise(decodeProduceResponse(reply).baseOffset, value);
    send();
  });
  send();
  await whenAborted(signal);
  call.cancel();
  client.close();
  // The first unanswered request and all after it are not known to be in the log.
  for (const value of waiting.splice(0)) journal.noPromise(value, false);
};

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
