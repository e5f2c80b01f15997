import type { Peer } from "./peer.ts";
import { pooled } from "./peer.ts";
import { installClient, startProgram } from "./programs.ts";

/** As much of the package `redis` as is used here. */
interface Redis {
  createClient(options: { url: string }): {
    connect(): Promise<unknown>;
    quit(): Promise<unknown>;
    xAdd(key: string, id: string, fields: { v: Buffer }): Promise<unknown>;
    xRead(options: object, from: object, count: object): Promise<readonly Stream[] | null>;
  };
  commandOptions(options: { returnBuffers: true }): object;
}

interface Stream {
  readonly messages: readonly { readonly id: Buffer; readonly message: { readonly v: Buffer } }[];
}

const KEY = "records";
const READ_MESSAGES = 1_000;

/** Redis Streams, each command in the append-only file and fsynced before it is answered. */
export async function startRedis(folder: string): Promise<Peer> {
  const server = await startProgram("redis-server", (port) => [
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", folder],
    ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
  ]);
  try {
    const redis = (await installClient(folder, "redis", "4")) as Redis;
    const client = redis.createClient({ url: `redis://127.0.0.1:${server.port}` });
    await client.connect();
    const asBuffers = redis.commandOptions({ returnBuffers: true });
    return {
      name: "Redis Streams",
      durability: "appendfsync always",
      produce: (values, inFlight) =>
        pooled(values, inFlight, (value) => client.xAdd(KEY, "*", { v: value })),
      async consume(count, onValue) {
        let id: string | Buffer = "0";
        for (let left = count; left > 0;) {
          const from = { key: KEY, id };
          const streams = await client.xRead(asBuffers, from, { COUNT: READ_MESSAGES });
          const messages = streams?.[0]?.messages ?? [];
          if (messages.length === 0) throw new Error(`${left} records of ${count} are missing`);
          for (const { message } of messages.slice(0, left)) onValue(message.v);
          left -= messages.length;
          id = messages[messages.length - 1]?.id ?? id;
        }
      },
      async [Symbol.asyncDispose]() {
        await client.quit();
        await server[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
