import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { credentials } from "../../test/support/credentials.ts";
import { silentObserver } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { Mux, sniffPrefix } from "./index.ts";
import type { MuxOptions, Protocol } from "./index.ts";
import { PEER_SERVER_NAME } from "./tls-listener.ts";

/** Echoes what it is told, to those that it does not refuse. */
function echo(
  name: string,
  refuses?: Protocol["refuses"],
): Protocol & { readonly taken: Socket[] } {
  const taken: Socket[] = [];
  return {
    name,
    taken,
    refuses,
    sniff: (bytes) => sniffPrefix(bytes, Buffer.from(name)),
    accept: (socket) => {
      taken.push(socket);
      socket.pipe(socket);
    },
  };
}

async function listening(protocols: readonly Protocol[], more: Partial<MuxOptions> = {}) {
  const made = await credentials();
  const { server, authority } = made;
  const context = { cert: server.cert, key: server.key, ca: authority.cert };
  const refused: string[] = [];
  const observer: Observer = {
    ...silentObserver,
    log: (_level, event, fields) => {
      if (event === "connection.refused") refused.push(String(fields?.["reason"]));
    },
  };
  const tls = { context, asksForCertificate: true };
  const mux = await Mux.listen({ host: "127.0.0.1", port: 0, protocols, observer, tls, ...more });
  const dial = (alpn: readonly string[], servername = "localhost"): TLSSocket => {
    const socket = connectTls({
      ...{ host: "127.0.0.1", port: mux.address.port, ca: authority.cert, ...made.root },
      ...{ ALPNProtocols: [...alpn], servername },
    });
    socket.on("error", () => undefined);
    return socket;
  };
  const end = (): Promise<void> => mux.close();
  return { made, mux, refused, dial, [Symbol.asyncDispose]: end };
}

describe("a port with TLS", () => {
  test("what only some may speak is refused before a byte of it is read", async () => {
    const raft = echo("proglog-raft", () => "it is no server of this cluster");
    await using port = await listening([raft, echo("h2")]);
    const { refused, dial } = port;
    const socket = dial(["proglog-raft"]);
    socket.write("the first bytes");
    await once(socket, "close");
    assert.deepEqual([refused, raft.taken], [["it is no server of this cluster"], []]);
    // Nor by his first bytes, when the handshake named nothing.
    const unnamed = dial([]);
    unnamed.write("proglog-raft");
    await once(unnamed, "close");
    assert.deepEqual(raft.taken, []);
  });

  test("peers are shown their own certificate, and everybody a new one when there is one", async () => {
    const made = await credentials();
    const peer = { cert: made.peer.cert, key: made.peer.key, ca: made.authority.cert };
    const context = { cert: made.server.cert, key: made.server.key, ca: made.authority.cert };
    const tls = { context, asksForCertificate: true, peerContext: () => peer };
    await using port = await listening([echo("h2")], { tls });
    const { mux, dial } = port;
    const names = async (servername: string): Promise<string | undefined> => {
      const socket = dial(["h2"], servername);
      socket.write("x");
      await once(socket, "data");
      const shown = socket.getPeerX509Certificate()?.subjectAltName;
      socket.destroy();
      return shown;
    };
    assert.match((await names("localhost")) ?? "", /^DNS:localhost/);
    const old = dial(["h2"]);
    old.write("x");
    await once(old, "data");
    mux.renew({ ...peer });
    assert.match((await names("localhost")) ?? "", /spiffe:/);
    old.write("still");
    const [bytes] = (await once(old, "data")) as [Buffer];
    assert.equal(bytes.toString(), "still");
    old.destroy();
    assert.equal(PEER_SERVER_NAME.endsWith(".proglog"), true);
  });

  test("of too many that say nothing the oldest goes, and who has spoken stays", async () => {
    await using port = await listening([echo("h2")], { handshakesMax: 3 });
    const { mux, refused, dial } = port;
    const spoken = dial(["h2"]);
    spoken.write("x");
    await once(spoken, "data");
    const silent: Socket[] = [];
    for (let count = 0; count < 4; count++) {
      const socket = connectPlain(mux.address.port, "127.0.0.1");
      await once(socket, "connect");
      silent.push(socket);
    }
    const [oldest] = silent;
    assert.ok(oldest !== undefined);
    if (!oldest.closed) await once(oldest.resume(), "close");
    assert.equal(refused[0], "too many connections that say nothing");
    spoken.write("y");
    await once(spoken, "data");
    for (const socket of [spoken, ...silent]) socket.destroy();
  });
});
