/**
 * Inputs that are almost right: 10,000 mutations of what is valid at each place where strangers write.
 * The server may refuse every one of them, and must be there afterwards, in time and in its memory.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect as connectSocket, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { DEFAULT_MODEL, parsePolicy } from "../../src/auth/index.ts";
import { below, ProglogError, seededRandom } from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import { BOOK_POLICY, credentials, writeServerFiles } from "../support/credentials.ts";
import { callHeaders, END_HEADERS, FRAME, frame, PREFACE } from "../support/http2-frames.ts";
import { produceRequest } from "../support/log-server.ts";
import { makeFolder } from "../support/program.ts";
import { AgentProcess } from "./support/agent.ts";

const INPUTS = 10_000;
const AT_ONCE = 64;
/** A server lets its heap grow before it collects, so that much of this is no loss. */
const GROWTH_BYTES_MAX = 256 * 2 ** 20;

/** A few changes of bytes: flipped, overwritten, cut out, repeated, cut off. */
function mutate(bytes: Buffer, random: Random): Buffer {
  let mutated = Buffer.from(bytes);
  for (let change = below(random, 4); change >= 0; change--) {
    if (mutated.length === 0) break;
    const at = below(random, mutated.length);
    const length = 1 + below(random, Math.min(16, mutated.length - at));
    const kind = below(random, 5);
    if (kind === 0) mutated[at] = (mutated[at] ?? 0) ^ (1 << below(random, 8));
    else if (kind === 1) mutated[at] = below(random, 256);
    else if (kind === 2)
      mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + length)]);
    else if (kind === 3)
      mutated = Buffer.concat([mutated.subarray(0, at + length), mutated.subarray(at)]);
    else mutated = mutated.subarray(0, at);
  }
  return mutated;
}

/** Works on numbered inputs, several at once. */
async function forEach(work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < INPUTS) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Sends bytes to a port, and leaves when the server closes or has nothing more to say. */
async function send(port: number, bytes: Buffer): Promise<void> {
  const socket = connectSocket(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.resume();
  socket.write(bytes);
  // Half closed: whatever the server makes of it, it knows that nothing more comes.
  socket.end();
  const patience = setTimeout(() => socket.destroy(), 250);
  await closed;
  clearTimeout(patience);
}

/** What a client says first in a handshake. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ host: "127.0.0.1", port, ALPNProtocols: ["h2"] });
  client.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [ReturnType<typeof connectSocket>];
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

function residentBytes(agent: AgentProcess): number {
  const [, kilobytes] =
    /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

describe("10,000 inputs that are almost right", () => {
  test("handshakes", async (t) => {
    const made = await credentials();
    const folder = makeFolder(t);
    const files = writeServerFiles(folder, made, BOOK_POLICY);
    const flags = Object.entries(files).flatMap(([name, path]) => [
      `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      path,
    ]);
    await using agent = new AgentProcess({ dataDir: join(folder, "data"), flags });
    const address = await agent.ready;
    const port = Number(address.split(":")[1]);
    const hello = await clientHello();
    const random = seededRandom(1);
    const before = residentBytes(agent);
    await forEach(() => send(port, mutate(hello, random)));
    const growth = residentBytes(agent) - before;
    assert.ok(growth < GROWTH_BYTES_MAX, `it grew by ${growth} bytes`);
    await using client = connect(address, { tls: { ca: made.authority.cert, ...made.root } });
    await client.produce({ value: Buffer.from("still here") });
  });

  test("HTTP/2 and JSON", async (t) => {
    await using agent = new AgentProcess({ dataDir: join(makeFolder(t), "data") });
    const address = await agent.ready;
    const port = Number(address.split(":")[1]);
    const random = seededRandom(2);
    const before = residentBytes(agent);
    const message = produceRequest("a record");
    const prefix = Buffer.from([0, 0, 0, 0, message.length]);
    const call = Buffer.concat([
      frame(FRAME.settings, 0, 0, Buffer.alloc(0)),
      frame(FRAME.headers, END_HEADERS, 1, callHeaders("/log.v1.Log/Produce")),
      frame(FRAME.data, 1, 1, Buffer.concat([prefix, message])),
    ]);
    await forEach(() => send(port, Buffer.concat([Buffer.from(PREFACE), mutate(call, random)])));

    const bodies = [
      '{"record":{"value":"TGV0J3MgR28gIzEK"}}',
      '{"records":[{"value":"a","key":"b","headers":{"c":"d"}}],"expected_offset":0}',
      '{"value":"x","producer":{"id":1,"epoch":0,"sequence":0},"__proto__":{"a":[[[[]]]]}}',
    ].map((text) => Buffer.from(text));
    const paths = ["/", "/v1/records"];
    const keepAlive = new HttpAgent({ keepAlive: true, maxSockets: AT_ONCE });
    const statuses = new Map<number, number>();
    await forEach(async (index) => {
      const path = paths[index % paths.length] ?? "/";
      const body = mutate(bodies[index % bodies.length] ?? Buffer.alloc(0), random);
      const asked = request({ host: "127.0.0.1", port, method: "POST", path, agent: keepAlive });
      asked.end(body);
      const [response] = (await once(asked, "response")) as [IncomingMessage];
      response.resume();
      await once(response, "end");
      const { statusCode = 0 } = response;
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
    });
    keepAlive.destroy();
    const growth = residentBytes(agent) - before;
    assert.ok(growth < GROWTH_BYTES_MAX, `it grew by ${growth} bytes`);
    const unexpected = [...statuses.keys()].filter((status) => status >= 500 || status < 200);
    assert.deepEqual(unexpected, [], JSON.stringify([...statuses]));
    await using client = connect(address);
    await client.produce({ value: Buffer.from("still here") });
  });

  test("policies and models", async () => {
    const random = seededRandom(3);
    const [policy, model] = [Buffer.from(BOOK_POLICY), Buffer.from(DEFAULT_MODEL)];
    let accepted = 0;
    for (let index = 0; index < INPUTS; index++) {
      const isModel = index % 4 === 0;
      const read = parsePolicy(
        isModel ? mutate(model, random).toString() : DEFAULT_MODEL,
        isModel ? BOOK_POLICY : mutate(policy, random).toString(),
      );
      try {
        const made = await read;
        accepted += 1;
        if (!isModel) assert.equal(made.allows("nobody", "*", "produce"), false);
      } catch (error) {
        assert.equal(ProglogError.from(error).code, "CONFIGURATION");
      }
    }
    assert.ok(accepted > 0 && accepted < INPUTS, String(accepted));
  });
});
