/** What many clients, and bad ones, do to three real servers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  Client as GrpcClient,
  type ClientReadableStream,
  credentials as grpcCredentials,
} from "@grpc/grpc-js";
import { encodeConsumeRequest, LOG_METHODS } from "../../src/api/index.ts";
import { makeFolder } from "../support/program.ts";
import { ClusterProcesses } from "./support/cluster.ts";
import { reconnectAtOnce } from "./support/reconnect.ts";

const CLIENTS = 1_000;
const PLACES = [0, 1, 2] as const;

test(`${CLIENTS} clients come back at once after an outage: all of them are served again`, async (t) => {
  const { recoveredMs, sinceStartMs } = await reconnectAtOnce(makeFolder(t), CLIENTS);
  // Five seconds are promised: `npm run prove -- reconnect` asks for that, where there is nothing else to do.
  t.diagnostic(
    `all recovered ${recoveredMs.toFixed(0)} ms after the servers were ready, ` +
      `${sinceStartMs.toFixed(0)} ms after their start`,
  );
});

const RECORDS = 400;
const RECORD_BYTES = 100 * 1024;
const ROUNDS = 50;
/** Of each server: by gRPC as records, by gRPC as batches, and by HTTP. */
const DEAF = 8;
/** What all those have not read, and far less than what the servers may hold for them. */
const UNREAD_BYTES = PLACES.length * 3 * DEAF * RECORDS * RECORD_BYTES;

test("consumers that never read cost a server little, and nobody else his answer", async (t) => {
  await using cluster = await ClusterProcesses.start({ folder: makeFolder(t) });
  await using client = cluster.only(await cluster.leader());
  await using producer = client.producer();
  for (let n = 0; n < RECORDS; n++) await producer.send({ value: Buffer.alloc(RECORD_BYTES, n) });
  await producer.flush();
  await cluster.untilEven();
  const before = PLACES.map((at) => residentBytes(cluster.server(at).pid));

  const readers = PLACES.map((at) => cluster.only(at));
  t.after(() => Promise.all(readers.map((reader) => reader.close())));
  await using deaf = new DeafConsumers();
  for (const address of cluster.addresses) await deaf.open(address, DEAF);
  for (let n = 0; n < ROUNDS; n++) {
    const { offset } = await client.produce({ value: Buffer.from(`${n}`) });
    for (const reader of readers) {
      const { value } = await reader.read(offset, { minOffset: offset });
      assert.equal(Buffer.from(value ?? []).toString(), `${n}`);
    }
  }
  const grown = PLACES.map((at) => residentBytes(cluster.server(at).pid) - (before[at] ?? 0));
  const most = Math.max(...grown);
  t.diagnostic(
    `${(UNREAD_BYTES / 2 ** 20).toFixed(0)} MiB unread; servers grew by ` +
      grown.map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`).join(", "),
  );
  // A stream's buffer and its connection's windows, of each; the rest is caches and garbage.
  assert.ok(most < UNREAD_BYTES / PLACES.length / 4, `a server grew by ${most} bytes`);
  deaf.assertOpen();
});

/** Streams whose messages nobody takes. */
class DeafConsumers implements AsyncDisposable {
  readonly #grpc: GrpcClient[] = [];
  readonly #calls: ClientReadableStream<Buffer>[] = [];
  readonly #http: AbortController[] = [];
  readonly #bodies: ReadableStream[] = [];
  #lost = 0;

  async open(address: string, count: number): Promise<void> {
    const request = encodeConsumeRequest({
      ...{ offset: 0, log: "", linearizable: false, minOffset: undefined },
      ...{ maxRecords: 0, maxBytes: 0 },
    });
    for (let i = 0; i < count; i++) {
      // Each has connections of its own: one window of a connection would hold them all back.
      const grpc = new GrpcClient(address, grpcCredentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
      });
      this.#grpc.push(grpc);
      for (const name of ["ConsumeStream", "ConsumeBatches"] as const) {
        const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
        const call = grpc.makeServerStreamRequest(
          ...[path, requestSerialize, responseDeserialize, request],
        );
        call.on("error", () => (this.#lost += 1));
        this.#calls.push(call);
      }
      const leave = new AbortController();
      this.#http.push(leave);
      const url = `http://${address}/v1/records?offset=0&follow=true`;
      const { body } = await fetch(url, { signal: leave.signal });
      if (body !== null) this.#bodies.push(body);
    }
  }

  /** Nobody threw them out: they were held back. */
  assertOpen(): void {
    assert.equal(this.#lost, 0);
    assert.equal(this.#bodies.filter(({ locked }) => locked).length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls) call.cancel();
    for (const grpc of this.#grpc) grpc.close();
    for (const leave of this.#http) leave.abort();
    await Promise.all(this.#bodies.map((body) => body.cancel().catch(() => undefined)));
  }
}

function residentBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid ?? "self"}/status`, "utf8");
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}
