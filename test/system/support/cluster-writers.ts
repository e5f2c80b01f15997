import { setTimeout as sleep } from "node:timers/promises";
import { connect, ProglogError } from "../../../src/client/index.ts";
import type { Client } from "../../../src/client/index.ts";
import type { Journal } from "./journal.ts";

export interface ClusterWriterOptions {
  readonly addresses: readonly string[];
  readonly journal: Journal;
  /** Begins every value of this writer; no two writers have the same. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Told of each acknowledgement. */
  readonly onAck: () => void;
}

/** A try is given up after so long: nothing is known then, and another value goes to another server. */
const TRY_MS = 2_000;
const BETWEEN_TRIES_MS = 10;
const ONCE = { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 };

/** Produces one record: resolves with its offset. */
type Attempt = (address: string, value: string) => Promise<number>;

/**
 * Each value is tried once, so that one that was not answered can be told from one that is there
 * twice; after a failure the next value goes to the next server.
 */
async function write(options: ClusterWriterOptions, attempt: Attempt): Promise<void> {
  const { addresses, journal, name, signal, onAck } = options;
  let at = 0;
  for (let n = 0; !signal.aborted; n++) {
    const value = `${name}-${n}:${"w".repeat((n * 7919) % 300)}`;
    try {
      journal.promise(await attempt(addresses[at % addresses.length] ?? "", value), value);
      onAck();
    } catch (error) {
      if (error instanceof Error && error.name === "AssertionError") throw error;
      journal.noPromise(value, error instanceof ProglogError && error.notAppended);
      at++;
      await sleep(BETWEEN_TRIES_MS);
    }
  }
}

/** Over gRPC, each server by a connection that is kept, and which looks for no others. */
export async function grpcClusterWriter(options: ClusterWriterOptions): Promise<void> {
  const clients = new Map<string, Client>();
  try {
    await write(options, async (address, value) => {
      const client = clients.get(address) ?? connect(`ipv4:${address}`, { retry: ONCE });
      clients.set(address, client);
      const signal = AbortSignal.timeout(TRY_MS);
      const { offset } = await client.produce({ value: Buffer.from(value) }, { signal });
      return offset;
    });
  } finally {
    await Promise.all([...clients.values()].map((client) => client.close()));
  }
}

/** Our own client, which knows all servers, finds who leads, and repeats what was not appended. */
export async function clusterWriter(options: ClusterWriterOptions): Promise<void> {
  await using client = connect(options.addresses.join(","));
  await write(options, async (_address, value) => {
    return (await client.produce({ value: Buffer.from(value) })).offset;
  });
}

/** The book's `POST /`. */
export async function httpClusterWriter(options: ClusterWriterOptions): Promise<void> {
  await write(options, async (address, value) => {
    const body = JSON.stringify({ record: { value: Buffer.from(value).toString("base64") } });
    const signal = AbortSignal.timeout(TRY_MS);
    const response = await fetch(`http://${address}/`, { method: "POST", body, signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return ((await response.json()) as { readonly offset: number }).offset;
  });
}
