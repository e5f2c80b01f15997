/** How long a connection to one server is tried for, and what a new attempt leaves alone. */
import assert from "node:assert/strict";
import { type EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { registerScheme } from "./index.ts";

/** One more than Node thinks a signal may have of them. */
const ATTEMPTS = 12;

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** Awaits so many events. */
async function times(count: number, emitter: EventEmitter, event: string): Promise<void> {
  for (let at = 0; at < count; at++) await once(emitter, event);
}

test("attempts that fail leave nothing behind for the next ones", async (t) => {
  const warnings: string[] = [];
  const warned = ({ name }: Error): void => void warnings.push(name);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const door = createServer((socket: Socket) => socket.destroy());
  const port = await listening(door);
  t.after(() => door.close());
  registerScheme();
  const client = new GrpcClient(`proglog://127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 1,
    "grpc.max_reconnect_backoff_ms": 1,
  });
  t.after(() => client.close());
  const tried = times(ATTEMPTS, door, "connection");
  client.getChannel().getConnectivityState(true);
  await tried;
  assert.deepEqual(warnings, []);
});
