import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { limits, silentObserver } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { Input, StreamMessage } from "../gossip/index.ts";
import { GossipSocket, Keyring } from "./index.ts";
import { encodeStream, StreamReader } from "./gossip-stream.ts";

const none = new Keyring([]);
const ping: StreamMessage = { kind: "ping", sequence: 7, name: "" };

function dial(socket: GossipSocket): Socket {
  const stream = connect(socket.address.port, "127.0.0.1");
  stream.on("error", () => undefined);
  return stream;
}

async function answer(stream: Socket): Promise<unknown> {
  const reader = new StreamReader(none);
  for await (const chunk of stream) {
    const verdict = reader.push(chunk as Buffer);
    if (verdict !== "more") return verdict;
  }
  return undefined;
}

/** Reasons for which something was dropped. */
function dropping(): { readonly observer: Observer; readonly dropped: string[] } {
  const dropped: string[] = [];
  const count: Observer["count"] = (name, by = 1, labels = {}) => {
    if (name === "gossip_dropped_total" && by > 0) dropped.push(labels["reason"] ?? "");
  };
  return { observer: { ...silentObserver, count }, dropped };
}

describe("a gossip socket", () => {
  test("UDP and TCP have one port, and one that is taken is named", async () => {
    await using one = await GossipSocket.open({ host: "localhost", port: 0 });
    const { port } = one.address;
    assert.ok(port > 0);
    const again = { code: "ADDRESS_IN_USE", details: { address: `127.0.0.1:${port}` } };
    await assert.rejects(GossipSocket.open({ host: "127.0.0.1", port }), again);
    await one.close();
    await using two = await GossipSocket.open({ host: "127.0.0.1", port });
    assert.equal(two.address.port, port);
  });

  test("beyond loopback a key is needed; a name without an address is told", async () => {
    const wrong = { code: "CONFIGURATION" };
    await assert.rejects(GossipSocket.open({ host: "0.0.0.0", port: 0 }), wrong);
    await assert.rejects(GossipSocket.open({ host: "no.such.host.invalid", port: 0 }), wrong);
    const keyring = new Keyring([Buffer.alloc(16)]);
    await using open = await GossipSocket.open({ host: "0.0.0.0", port: 0, keyring });
    assert.deepEqual([...open.address.ip], [0, 0, 0, 0]);
  });

  test("a stream brings one message and is answered once, also after its other half was closed", async () => {
    await using socket = await GossipSocket.open({ host: "127.0.0.1", port: 0 });
    const inputs: Input[] = [];
    socket.start((input) => {
      inputs.push(input);
      if (input.kind !== "stream") return;
      const message = { kind: "ack", sequence: 7, payload: null } as const;
      socket.reply({ stream: input.stream, message });
      socket.reply({ stream: input.stream, message });
    });
    const stream = dial(socket);
    stream.end(encodeStream(ping, none));
    assert.deepEqual(await answer(stream), { kind: "ack", sequence: 7, payload: null });
    const noise = dial(socket);
    noise.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    assert.deepEqual(await answer(noise), { kind: "error", text: "message" });
    assert.equal(inputs.length, 1);
  });

  test("beyond the limit the oldest that has said nothing goes: nobody is kept out by silence", async () => {
    const { observer, dropped } = dropping();
    await using socket = await GossipSocket.open({ host: "127.0.0.1", port: 0, observer });
    socket.start((input) => {
      if (input.kind === "stream") socket.reply({ stream: input.stream, message: ping });
    });
    const silent: Socket[] = [];
    for (let i = 0; i < limits.gossipServedStreamsMax; i++) {
      const stream = dial(socket);
      await once(stream, "connect");
      silent.push(stream);
    }
    const [first] = silent;
    assert.ok(first !== undefined);
    const cut = once(first, "close");
    const late = dial(socket);
    late.write(encodeStream(ping, none));
    assert.deepEqual(await answer(late), ping);
    await cut;
    assert.deepEqual(dropped, ["stream_limit"]);
    for (const stream of silent) stream.destroy();
  });

  test("beyond the limit one that was refused and does not close goes as well", async () => {
    const { observer, dropped } = dropping();
    await using socket = await GossipSocket.open({ host: "127.0.0.1", port: 0, observer });
    socket.start((input) => {
      if (input.kind === "stream") socket.reply({ stream: input.stream, message: ping });
    });
    const { port } = socket.address;
    const refused: Socket[] = [];
    for (let i = 0; i < limits.gossipServedStreamsMax; i++) {
      const stream = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      stream.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
      await once(stream, "data");
      refused.push(stream);
    }
    const late = dial(socket);
    late.write(encodeStream(ping, none));
    assert.deepEqual(await answer(late), ping);
    assert.equal(dropped.at(-1), "stream_limit");
    for (const stream of refused) stream.destroy();
  });

  test("when streams hold too much together, who holds most goes, and the others are answered", async () => {
    const { observer, dropped } = dropping();
    await using socket = await GossipSocket.open({ host: "127.0.0.1", port: 0, observer });
    socket.start((input) => {
      if (input.kind === "stream") socket.reply({ stream: input.stream, message: ping });
    });
    const modest = dial(socket);
    modest.write(encodeStream(ping, none).subarray(0, 5));
    // The head of a user message that is never whole.
    const length = Buffer.alloc(5);
    length[0] = 0xce;
    length.writeUInt32BE(limits.gossipStreamBytesMax - 100, 1);
    const head = Buffer.concat([Uint8Array.of(8, 0x81, 0xaa), Buffer.from("UserMsgLen"), length]);
    const chunk = Buffer.alloc(1 << 20);
    const large = Array.from({ length: 4 }, () => dial(socket));
    for (const stream of large) {
      stream.write(head);
      for (let mib = 0; mib < 20; mib++) stream.write(chunk);
    }
    const answers = await Promise.race(large.map((stream) => answer(stream)));
    assert.deepEqual(answers, { kind: "error", text: "try later" });
    modest.write(encodeStream(ping, none).subarray(5));
    assert.deepEqual(await answer(modest), ping);
    assert.ok(dropped.every((reason) => reason === "stream_memory") && dropped.length < 4);
    for (const stream of large) stream.destroy();
  });

  test("a stream that we open ends in one reply or one failure", async () => {
    await using server = await GossipSocket.open({ host: "127.0.0.1", port: 0 });
    server.start((input) => {
      if (input.kind === "stream") server.reply({ stream: input.stream, message: undefined });
    });
    await using client = await GossipSocket.open({ host: "127.0.0.1", port: 0 });
    const inputs: Input[] = [];
    let wake: () => void = () => undefined;
    client.start((input) => {
      inputs.push(input);
      wake();
    });
    const open = async (stream: number, port: number): Promise<void> => {
      const came = new Promise<void>((resolve) => (wake = resolve));
      const to = { ip: Uint8Array.of(127, 0, 0, 1), port };
      client.open({ stream, to, message: ping, timeoutMs: 5_000 });
      await came;
    };
    await open(1, server.address.port);
    await open(2, 1);
    assert.deepEqual(
      inputs.map((input) => ("stream" in input ? [input.kind, input.stream] : [])),
      [
        ["stream-failed", 1],
        ["stream-failed", 2],
      ],
    );
  });
});
