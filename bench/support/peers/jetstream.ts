import { join } from "node:path";
import type { Peer } from "./peer.ts";
import { pooled } from "./peer.ts";
import { installClient, startProgram } from "./programs.ts";

/** As much of the package `nats` as is used here. */
interface Nats {
  connect(options: { servers: string }): Promise<{
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

/** NATS JetStream: a stream in files, of one replica. */
export async function startJetStream(folder: string): Promise<Peer> {
  const server = await startProgram("nats-server", (port) => [
    ...["--jetstream", "--store_dir", join(folder, "jetstream")],
    ...["--addr", "127.0.0.1", "--port", String(port)],
  ]);
  try {
    const nats = (await installClient(folder, "nats", "2")) as Nats;
    const connection = await nats.connect({ servers: `127.0.0.1:${server.port}` });
    const manager = await connection.jetstreamManager();
    const { config } = await manager.streams.add({
      ...{ name: STREAM, subjects: [SUBJECT], storage: "file", num_replicas: 1 },
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
        await server[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
