/** The proxies that stand in for a network where no namespaces may be made. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { ProxiedLoopback } from "./proxied-loopback.ts";

/** How a replica begins when it dials another one: magic, a frame's head, versions, who it is. */
function hello(name: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(name.length);
  const magic = Buffer.from("b1504c52", "hex");
  return Buffer.concat([magic, Buffer.alloc(8 + 5 + 8 + 4 + 1), length, Buffer.from(name)]);
}

async function answer(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString();
}

test("one pair is cut apart, one way; others and clients are not; what waited comes when it heals", async () => {
  const wires = await ProxiedLoopback.open(2);
  const echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  echo.listen(wires.hosts[1]?.rpcPort, "127.0.0.1");
  await once(echo, "listening");
  const dial = (): Socket => connect(Number(wires.hosts[1]?.rpcAddress.split(":")[1]), "127.0.0.1");
  const [peer, client] = [dial(), dial()];
  try {
    peer.write(hello("server-0"));
    assert.match(await answer(peer), /server-0/);
    wires.cut(0, 1);
    let heard = "";
    peer.on("data", (bytes: Buffer) => (heard += bytes.toString()));
    peer.write("from the peer");
    for (const text of ["one", "two"]) {
      client.write(text);
      assert.equal(await answer(client), text);
    }
    assert.equal(heard, "", "the peer is cut off");
    const healed = answer(peer);
    wires.heal();
    assert.equal(await healed, "from the peer");
  } finally {
    peer.destroy();
    client.destroy();
    await wires.close();
    echo.close();
  }
});
