/** Wherever a client gets through to nobody: it gives up, says that nothing was appended, leaves nothing. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createAuthority, issueCertificate } from "../auth/index.ts";
import { ProglogError } from "../base/index.ts";
import { type Client, connect, type ConnectOptions } from "./index.ts";
import { FakeLogServer } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 20 };

/** A port, and what answers there. */
class Stranger implements AsyncDisposable {
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on("error", () => undefined).resume();
    this.#answer(socket);
  });
  readonly #sockets = new Set<Socket>();
  readonly #answer: (socket: Socket) => void;

  constructor(answer: (socket: Socket) => void) {
    this.#answer = answer;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
}

/** All that a client can be asked for, each with its own way to fail. */
async function failsEverywhere(
  address: string,
  options: ConnectOptions,
  says: RegExp,
): Promise<void> {
  const before = sockets();
  const client: Client = connect(address, { retry: FAST, ...options });
  const told = (error: unknown): true => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, "UNAVAILABLE", error.message);
    assert.equal(error.retryable, true);
    assert.match(error.message, says);
    return true;
  };
  const toldNothing = (error: unknown): true => {
    assert.equal((error as ProglogError).notAppended, true, String(error));
    return told(error);
  };
  await assert.rejects(client.servers(), told);
  await assert.rejects(client.read(0), told);
  await assert.rejects(client.records({ from: 0, follow: true }).next(), told);
  await assert.rejects(client.records().next(), told);
  await assert.rejects(client.produce({ value: null }), toldNothing);
  const producer = client.producer({ deliveryTimeoutMs: 100 });
  const sent = await producer.send({ value: null });
  await assert.rejects(sent.ack, toldNothing);
  await assert.rejects(producer.send({ value: null }), toldNothing);
  await assert.rejects(producer.close(), toldNothing);
  await client.close();
  while (sockets() > before) await new Promise((resolve) => setImmediate(resolve));
}

describe("nobody is reached", () => {
  test("where nobody listens", async () => {
    const [first, second] = [new Stranger(() => undefined), new Stranger(() => undefined)];
    const addresses = [await first.listen(), await second.listen()];
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    const [one = "", other = ""] = addresses.map((address) => address.replaceAll(".", "\\."));
    const both = new RegExp(`${one}: .*ECONNREFUSED.*${other}: .*ECONNREFUSED`);
    await failsEverywhere(addresses.join(","), {}, both);
  });

  test("by a name that stands for nothing", () =>
    failsEverywhere("nobody.invalid:1", {}, /nobody\.invalid:1: /));

  test("where something else answers, or hangs up", async () => {
    const answers = [
      (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
      (socket: Socket) => socket.destroy(),
    ];
    for (const answer of answers) {
      await using stranger = new Stranger(answer);
      const address = await stranger.listen();
      await failsEverywhere(address, {}, /127\.0\.0\.1/);
    }
  });

  test("where the server is of another authority, or one of the two knows no TLS", async () => {
    const [ours, theirs] = [await createAuthority("ours"), await createAuthority("theirs")];
    const hosts = ["127.0.0.1"];
    const pair = await issueCertificate({ authority: theirs, kind: "server", name: "s", hosts });
    const shown = { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) };
    const credentials = ServerCredentials.createSsl(null, [shown], false);
    await using secure = await FakeLogServer.start(credentials);
    await using plain = await FakeLogServer.start();
    const tls = { ca: ours.cert };
    await failsEverywhere(secure.address, { tls }, /certificate/);
    await failsEverywhere(secure.address, {}, /127\.0\.0\.1/);
    await failsEverywhere(plain.address, { tls }, /127\.0\.0\.1/);
    assert.equal(secure.calls.size + plain.calls.size, 0);
  });

  test("where the connection is taken and nothing is said, until the time is over", async () => {
    await using stranger = new Stranger(() => undefined);
    await using client = connect(await stranger.listen(), { timeoutMs: 300, retry: FAST });
    await assert.rejects(client.produce({ value: null }), (error: ProglogError) => {
      assert.equal(error.code, "DEADLINE_EXCEEDED");
      assert.equal(error.notAppended, true, "it was on no wire");
      assert.match(error.message, /^no server was reached in time/);
      return true;
    });
    await assert.rejects(client.read(0), { code: "DEADLINE_EXCEEDED" });
  });

  test("where the connection is taken and nothing is said, a closed client leaves nothing", async () => {
    for (const options of [{}, { tls: { ca: (await createAuthority("ours")).cert } }]) {
      const left = sockets();
      const taken = new EventEmitter();
      await using stranger = new Stranger((socket) => {
        socket.once("close", () => taken.emit("close"));
        taken.emit("taken");
      });
      const address = await stranger.listen();
      const isTaken = once(taken, "taken");
      const client = connect(address, { timeoutMs: 300, retry: FAST, ...options });
      const failed = assert.rejects(client.read(0), ProglogError);
      await isTaken;
      const isClosed = once(taken, "close");
      await client.close();
      await failed;
      await isClosed;
      await stranger[Symbol.asyncDispose]();
      while (sockets() > left) await new Promise((resolve) => setImmediate(resolve));
    }
  });
});

describe("a clock that is set", () => {
  test("makes no call longer, and none shorter", async (t) => {
    await using server = await FakeLogServer.start();
    await using client = connect(server.address, { retry: FAST });
    await using hasty = connect(server.address, { timeoutMs: 500, retry: FAST });
    await client.produce({ value: null });
    await hasty.read(0);
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
    const refusing = (hours: number, times: number): void => {
      server.onCall = (name) => {
        if (name !== "Produce" || times-- <= 0) return;
        t.mock.timers.setTime(Date.now() + hours * 3_600_000);
        hours = 0;
        throw new ProglogError("NOT_LEADER", "nobody leads", { notAppended: true });
      };
    };
    // Ten years behind, and an hour further back in the middle of a call.
    t.mock.timers.setTime(Date.now() - 10 * 365 * 24 * 3_600_000);
    refusing(-1, Infinity);
    await assert.rejects(hasty.produce({ value: null }));
    refusing(1, 5);
    assert.equal((await client.produce({ value: null })).offset, 1);
    refusing(24 * 365, 5);
    assert.equal((await client.produce({ value: null })).offset, 2);
  });
});
