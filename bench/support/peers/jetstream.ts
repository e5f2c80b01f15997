import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Peer } from "./peer.ts";
import { pooled } from "./peer.ts";
import { freePort, installClient, startProgram } from "./programs.ts";
import type { Program } from "./programs.ts";

/** As much of the package `nats` as is used here. */
interface Nats {
  connect(options: { servers: readonly string[] }): Promise<{
    jetstreamManager(): Promise<{
      streams: { add(config: object): Promise<{ config: { storage: string } }> };
    }>;
    jetstream(): {
      publish(subject: string, data: Uint8Array): Promise<unknown>;
      consumers: { get(stream: string): Promise<{ consume(options: object): Promise<Messages> }> };
    };
    close(): Promise<void>;
  }>;
}

interface Messages extends AsyncIterable<{ readonly data: Uint8Array }> {
  close(): Promise<unknown>;
}

const STREAM = "records";
const SUBJECT = "records.in";
/** Asked for at once; the library's own 100 makes it slower. */
const CONSUME_MESSAGES = 10_000;

/** A cluster of servers that has just met refuses streams for so long. */
const MEETING_MS_MAX = 20_000;
const MEETING_PAUSE_MS = 200;

/** NATS JetStream: a stream in files, of one replica. */
export async function startJetStream(folder: string): Promise<Peer> {
  const server = await startProgram("nats-server", (port) => flags(folder, port));
  return await peerAt(folder, [server]);
}

/** The same with as many replicas as there are servers, on one machine and one disk. */
export async function startJetStreamCluster(folder: string, replicas: number): Promise<Peer> {
  const routes = await Promise.all(Array.from({ length: replicas }, freePort));
  const urls = routes.map((port) => `nats://127.0.0.1:${port}`);
  const servers: Program[] = [];
  try {
    for (const [at, url] of urls.entries()) {
      const cluster = ["--cluster_name", "bench", "--cluster", url, "--routes", urls.join(",")];
      const name = ["--server_name", `server-${at}`];
      const start = (port: number): string[] => [
        ...flags(join(folder, `server-${at}`), port),
        ...[...name, ...cluster],
      ];
      servers.push(await startProgram("nats-server", start));
    }
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
  return await peerAt(folder, servers);
}

function flags(folder: string, port: number): string[] {
  const store = ["--jetstream", "--store_dir", join(folder, "jetstream")];
  return [...store, "--addr", "127.0.0.1", "--port", String(port)];
}

async function stopAll(servers: readonly Program[]): Promise<void> {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
}

async function peerAt(folder: string, servers: readonly Program[]): Promise<Peer> {
  try {
    const nats = (await installClient(folder, "nats", "2")) as Nats;
    const connection = await nats.connect({
      servers: servers.map(({ port }) => `127.0.0.1:${port}`),
    });
    const { config } = await whenMet(async () => {
      const manager = await connection.jetstreamManager();
      return await manager.streams.add({
        ...{ name: STREAM, subjects: [SUBJECT], storage: "file", num_replicas: servers.length },
      });
    });
    if (config.storage !== "file") throw new Error(`the stream is kept in ${config.storage}`);
    const jetstream = connection.jetstream();
    return {
      name: "NATS JetStream",
      durability: "file storage, not fsynced",
      produce: (values, inFlight) =>
        pooled(values, inFlight, (value) => jetstream.publish(SUBJECT, value)),
      async consume(count, onValue) {
        const consumer = await jetstream.consumers.get(STREAM);
        const messages = await consumer.consume({ max_messages: CONSUME_MESSAGES });
        let left = count;
        for await (const { data } of messages) {
          onValue(data);
          if (--left === 0) break;
        }
        await messages.close();
      },
      async [Symbol.asyncDispose]() {
        await connection.close();
        await stopAll(servers);
      },
    };
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
}

async function whenMet<T>(ask: () => Promise<T>): Promise<T> {
  const end = performance.now() + MEETING_MS_MAX;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(MEETING_PAUSE_MS);
    }
  }
}
