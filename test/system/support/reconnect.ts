import {
  type Client,
  connect,
  ProglogError,
  type RecordStream,
} from "../../../src/client/index.ts";
import { ClusterProcesses } from "./cluster.ts";

export interface Reconnection {
  /** From when all servers were ready, to when every client had what it waited for. */
  readonly recoveredMs: number;
  /** The same from when they were started again. */
  readonly sinceStartMs: number;
}

/** A client that was in the middle of something when all servers went away. */
interface Waiting {
  readonly client: Client;
  readonly following: RecordStream;
}

/**
 * Clients that know all servers, each following the log by a stream, when all three servers are killed.
 * After their return every client gets the record that is appended then on its stream, and appends one
 * itself. As anybody connects, with no options.
 */
export async function reconnectAtOnce(folder: string, count: number): Promise<Reconnection> {
  await using cluster = await ClusterProcesses.start({ folder });
  await using first = cluster.only(0);
  await first.produce({ value: Buffer.from("before") });
  const places = [...cluster.addresses.keys()];
  const waiting: Waiting[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const client = connect(cluster.addresses.join(","));
      const following = client.records({ from: 0, follow: true, limit: 2 });
      waiting.push({ client, following });
    }
    await Promise.all(waiting.map(({ following }) => following.next()));
    const next = waiting.map(({ following }) => following.next());
    for (const each of next) each.catch(() => undefined);

    await Promise.all(places.map((at) => cluster.end(at, "SIGKILL")));
    const startedMs = performance.now();
    await Promise.all(places.map((at) => cluster.run(at)));
    const readyMs = performance.now();
    await Promise.all(
      waiting.map(async ({ client }, i) => {
        await append(client, `after ${i}`);
        await next[i];
      }),
    );
    const doneMs = performance.now();
    return { recoveredMs: doneMs - readyMs, sinceStartMs: doneMs - startedMs };
  } finally {
    await Promise.all(waiting.map(({ client }) => client.close()));
  }
}

/** Until it is there: a machine that is busy lets nobody in for longer than a client tries by itself. */
async function append(client: Client, text: string): Promise<void> {
  for (;;) {
    try {
      await client.produce({ value: Buffer.from(text) });
      return;
    } catch (error) {
      if (!(error instanceof ProglogError && error.retryable)) throw error;
    }
  }
}
