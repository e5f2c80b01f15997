/** The book's server tests, and what it lacks: a server with certificates and a policy as its clients meet it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { Client as GrpcClient, credentials as grpc } from "@grpc/grpc-js";
import { startAgent } from "../../src/agent/index.ts";
import type { Agent, AgentConfig } from "../../src/agent/index.ts";
import { issueCertificate } from "../../src/auth/index.ts";
import type { KeyPairPem } from "../../src/auth/index.ts";
import { silentObserver } from "../../src/base/index.ts";
import type { Observer } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import type { Client, ProglogError } from "../../src/client/index.ts";
import { RAFT_ALPN } from "../../src/transport/index.ts";
import { BOOK_POLICY, CLUSTER, credentials, writeServerFiles } from "../support/credentials.ts";
import type { Credentials } from "../support/credentials.ts";
import { makeFolder } from "../support/program.ts";
import { startServer } from "../support/server.ts";

interface Event {
  readonly event: string;
  readonly fields: Record<string, unknown>;
}

/** A secured server, who may do what on it, and what it tells. */
async function secured(t: TestContext, policy = BOOK_POLICY, more: Partial<AgentConfig> = {}) {
  const made = await credentials();
  const folder = makeFolder(t);
  const files = writeServerFiles(folder, made, policy);
  const events: Event[] = [];
  const heard = new Set<() => void>();
  const observer: Observer = {
    ...silentObserver,
    log: (_level, event, fields = {}) => {
      events.push({ event, fields });
      for (const wake of heard) wake();
    },
  };
  const settings = { ...files, clusterName: CLUSTER, ...more };
  const agent = await startServer(t, settings, { observer });
  const told = async (name: string): Promise<Event> => {
    for (;;) {
      const found = events.find(({ event }) => event === name);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => heard.add(resolve));
    }
  };
  return { made, folder, files, agent, events, told };
}

function clientOf(t: TestContext, agent: Agent, made: Credentials, pair?: KeyPairPem): Client {
  const tls = { ca: made.authority.cert, cert: pair?.cert, key: pair?.key };
  const client = connect(agent.rpcAddress, {
    tls,
    retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 },
  });
  t.after(() => client.close());
  return client;
}

const value = Buffer.from("hello world");
const one = { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 };

describe("a server with certificates and a policy", () => {
  test("root produces and consumes; past the end it is told so in a sentence", async (t) => {
    const { made, agent } = await secured(t);
    const root = clientOf(t, agent, made, made.root);
    assert.equal((await root.produce({ value })).offset, 0);
    assert.deepEqual(Buffer.from((await root.read(0)).value ?? []), value);
    const past = { code: "OFFSET_OUT_OF_RANGE", message: /outside of the log: 1/ };
    await assert.rejects(root.read(1), past);
    const producer = root.producer();
    const sent = await Promise.all([producer.send({ value }), producer.send({ value })]);
    assert.deepEqual(
      (await Promise.all(sent.map(({ ack }) => ack))).map(({ offset }) => offset),
      [1, 2],
    );
    await producer.close();
    const offsets: number[] = [];
    for await (const record of root.records()) offsets.push(record.offset);
    assert.deepEqual(offsets, [0, 1, 2]);
  });

  test("nobody may not, in the book's words, and it is told in one line each", async (t) => {
    const { made, agent, events } = await secured(t);
    const nobody = clientOf(t, agent, made, made.nobody);
    const denied = (word: string) => ({
      code: "PERMISSION_DENIED",
      message: `nobody not permitted to ${word} to *`,
      notAppended: true,
    });
    await assert.rejects(nobody.produce({ value }), denied("produce"));
    await assert.rejects(nobody.read(0), denied("consume"));
    await assert.rejects(nobody.records({ follow: true, from: 0 }).next(), denied("consume"));
    // The client asks for the servers too, whenever it wants to know them.
    const lines = events.filter(
      ({ event, fields }) =>
        event === "access.denied" && fields["method"] !== "/log.v1.Log/GetServers",
    );
    assert.deepEqual(
      lines.map(({ fields }) => [fields["subject"], fields["method"], fields["code"]]),
      ["Produce", "Consume", "ConsumeBatches"].map((method) => [
        "nobody",
        `/log.v1.Log/${method}`,
        "PERMISSION_DENIED",
      ]),
    );
    assert.match(String(lines[0]?.fields["peer"]), /^127\.0\.0\.1:\d+$/);
  });

  test("a client may hold back his certificate only where none is asked for", async (t) => {
    const { made, agent } = await secured(t);
    await assert.rejects(clientOf(t, agent, made).produce({ value }), { code: "UNAVAILABLE" });
    const open = await secured(t, BOOK_POLICY, { serverTlsCaFile: "" });
    await assert.rejects(clientOf(t, open.agent, made, made.root).produce({ value }), {
      code: "UNAUTHENTICATED",
      message: "no client certificate",
    });
  });

  test("a policy without TLS refuses everybody, in the book's words", async (t) => {
    const none = { serverTlsCertFile: "", serverTlsKeyFile: "", serverTlsCaFile: "" };
    const { agent } = await secured(t, BOOK_POLICY, none);
    await using client = connect(agent.rpcAddress, { retry: one });
    const refusal = { code: "UNAUTHENTICATED", message: "no transport security being used" };
    await assert.rejects(client.produce({ value }), refusal);
    const answer = await fetch(`http://${agent.rpcAddress}/`, { method: "POST", body: "{}" });
    assert.equal(answer.status, 401);
    assert.equal((await fetch(`http://${agent.rpcAddress}/healthz`)).status, 200);
  });

  test("without a policy every client may do everything, and a server of the cluster nothing", async (t) => {
    const { made, agent } = await secured(t, BOOK_POLICY, { aclModelFile: "", aclPolicyFile: "" });
    await clientOf(t, agent, made, made.nobody).produce({ value });
    await assert.rejects(clientOf(t, agent, made, made.peer).produce({ value }), {
      code: "PERMISSION_DENIED",
      message: "node:a is a server of the cluster, and no client",
    });
  });

  test("headers that claim to be somebody are nothing but headers", async (t) => {
    const { made, agent } = await secured(t);
    const address = `https://${agent.httpAddress ?? ""}/`;
    const forged = {
      "x-forwarded-user": "root",
      "x-client-cn": "root",
      authorization: "Basic cm9vdDo=",
      "x-ssl-client-s-dn": "CN=root",
      "x-http-method-override": "GET",
    };
    const asked = request(address, {
      method: "POST",
      ca: made.authority.cert,
      ...made.nobody,
      headers: forged,
      agent: false,
    });
    asked.end('{"record":{"value":""}}');
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 403);
    response.resume();
    assert.equal(agent.commitLog.highWatermark, 0);
  });

  test("a broken policy leaves the old one and shouts; a revoked permission ends what runs", async (t) => {
    const { made, agent, files, events, told } = await secured(t);
    const root = clientOf(t, agent, made, made.root);
    await root.produce({ value });
    const following = root.records({ follow: true });
    assert.equal((await following.next()).done, false);
    const end = (async () => {
      try {
        for await (const record of following) assert.equal(record.offset, 1);
      } catch (error) {
        return error as ProglogError;
      }
      return assert.fail("it ended as if that were all");
    })();
    const lines = request(`https://${agent.httpAddress ?? ""}/v1/records?offset=0&follow=true`, {
      ca: made.authority.cert,
      ...made.root,
      agent: false,
    }).end();
    const [response] = (await once(lines, "response")) as [NodeJS.ReadableStream];
    const text = (async () => {
      let all = "";
      for await (const chunk of response) all += String(chunk);
      return all;
    })();

    writeFileSync(files.aclPolicyFile, "p, root, *, produce\np, root");
    assert.match(String((await told("policy.refused")).fields["reason"]), /line 2 of the policy/);
    await root.produce({ value });

    const writtenMs = performance.now();
    writeFileSync(files.aclPolicyFile, "p, root, *, produce\n");
    const { code, message } = await end;
    const tookMs = performance.now() - writtenMs;
    t.diagnostic(`revoked after ${Math.round(tookMs)} ms`);
    assert.deepEqual([code, message], ["PERMISSION_DENIED", "root not permitted to consume to *"]);
    assert.match(await text, /PERMISSION_DENIED/);
    const revoked = events.filter(({ event }) => event === "access.revoked");
    assert.equal(revoked.length, 2);
    await root.produce({ value });
    await assert.rejects(root.read(0), { code: "PERMISSION_DENIED" });
  });

  test("new certificates and authorities count for new connections, and old ones go on", async (t) => {
    const { made, agent, files, told } = await secured(t);
    const root = clientOf(t, agent, made, made.root);
    await root.produce({ value });
    const stranger = clientOf(t, agent, made, made.otherCa);
    await assert.rejects(stranger.produce({ value }), { code: "UNAVAILABLE" });

    const server = await issueCertificate({
      ...{ authority: made.otherAuthority, kind: "server", name: "localhost" },
      hosts: ["127.0.0.1"],
    });
    writeFileSync(files.serverTlsCertFile, server.cert);
    writeFileSync(files.serverTlsKeyFile, server.key);
    writeFileSync(files.serverTlsCaFile, made.otherAuthority.cert);
    await told("server_tls.reloaded");
    // The connection that is there was believed when it came.
    await root.produce({ value });
    // As two files are that were put together, and the first did not end its line.
    const ca = `${made.authority.cert.trimEnd()}${made.otherAuthority.cert}`;
    const tls = { ca, ...made.otherCa };
    await using renewed = connect(agent.rpcAddress, { tls, retry: one });
    assert.equal((await renewed.produce({ value })).offset, 2);
    await using late = connect(agent.rpcAddress, {
      tls: { ca: made.otherAuthority.cert, ...made.root },
      retry: one,
    });
    await assert.rejects(late.produce({ value }), { code: "UNAVAILABLE" });
    assert.throws(() => connect(agent.rpcAddress, { tls: { ca: ca.slice(0, -60) } }), {
      code: "CONFIGURATION",
      message: /cut off in a certificate/,
    });
  });

  test("decisions that allow are told when that is asked for", async (t) => {
    const { made, agent, events } = await secured(t, BOOK_POLICY, { aclAudit: "all" });
    await clientOf(t, agent, made, made.root).produce({ value });
    const [line] = events.filter(({ event }) => event === "access.allowed");
    assert.equal(line?.fields["subject"], "root");
  });
});

/** A handshake as a client makes it; rejects when either side refuses. */
async function handshake(agent: Agent, options: ConnectionOptions): Promise<TLSSocket> {
  const port = Number(agent.rpcAddress.split(":")[1]);
  const socket = connectTls({ host: "127.0.0.1", port, ...options });
  await once(socket, "secureConnect");
  return socket;
}

describe("the port with TLS", () => {
  test("plaintext, older TLS, other protocols and what only peers may speak are refused", async (t) => {
    const { made, agent, told } = await secured(t);
    const mine = { ca: made.authority.cert, ...made.root };
    const plain = connectPlain(Number(agent.rpcAddress.split(":")[1]), "127.0.0.1");
    plain.resume().write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(plain, "close");
    await assert.rejects(handshake(agent, { ...mine, maxVersion: "TLSv1.2" }));
    await assert.rejects(handshake(agent, { ...mine, ALPNProtocols: ["spdy/3"] }));
    // It is spoken here, and who may speak it shows in the certificate, which comes after.
    const client = await handshake(agent, { ...mine, ALPNProtocols: [RAFT_ALPN] });
    const heard: Buffer[] = [];
    client.on("data", (bytes: Buffer) => heard.push(bytes));
    await once(client, "close");
    assert.deepEqual(heard, []);
    const { fields } = await told("peer.refused");
    assert.match(String(fields["reason"]), /its certificate is no server's/);
  });

  test("who also speaks HTTP/1.1 gets it, and who names nothing is asked by his first bytes", async (t) => {
    const { made, agent } = await secured(t);
    const mine = { ca: made.authority.cert, ...made.root };
    const both = await handshake(agent, { ...mine, ALPNProtocols: ["h2", "http/1.1"] });
    assert.equal(both.alpnProtocol, "http/1.1");
    const grpcOnly = await handshake(agent, { ...mine, ALPNProtocols: ["h2"] });
    assert.equal(grpcOnly.alpnProtocol, "h2");
    const silent = await handshake(agent, mine);
    silent.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const [answer] = (await once(silent, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200/);
    for (const socket of [both, grpcOnly, silent]) socket.destroy();
  });

  test("no session is taken up again: each handshake shows its certificate", async (t) => {
    const { made, agent } = await secured(t);
    const mine = { ca: made.authority.cert, ...made.root, ALPNProtocols: ["http/1.1"] };
    const first = await handshake(agent, mine);
    const sessions: Buffer[] = [];
    first.on("session", (session: Buffer) => sessions.push(session));
    first.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(first, "data");
    const [session] = sessions;
    if (session !== undefined) {
      const second = await handshake(agent, { ...mine, session });
      assert.equal(second.isSessionReused(), false);
      second.destroy();
    }
    first.destroy();
  });

  test("a server that shows a client's certificate is not believed", async (t) => {
    const { made, agent } = await secured(t);
    const other = connect(agent.rpcAddress, {
      tls: { ca: made.otherAuthority.cert, ...made.root },
      retry: one,
    });
    await assert.rejects(other.produce({ value }), { code: "UNAVAILABLE" });
    await other.close();
    await using misnamed = connect(agent.rpcAddress, {
      tls: { ca: made.authority.cert, ...made.root, serverName: "elsewhere.example" },
      retry: one,
    });
    await assert.rejects(misnamed.produce({ value }), { code: "UNAVAILABLE" });
    await using named = connect(agent.rpcAddress, {
      tls: { ca: made.authority.cert, ...made.root, serverName: "localhost" },
    });
    await named.produce({ value });
  });

  test("a server that is reached by its address has it in its certificate", async (t) => {
    const made = await credentials();
    const { authority } = made;
    const server = await issueCertificate({ authority, kind: "server", name: "localhost" });
    const files = writeServerFiles(makeFolder(t), { authority, server });
    const { rpcAddress } = await startServer(t, files);
    const tls = { ca: authority.cert, ...made.root };
    await using byAddress = connect(rpcAddress, { tls, retry: one });
    await assert.rejects(byAddress.produce({ value }), { code: "UNAVAILABLE" });
    await using byName = connect(rpcAddress.replace("127.0.0.1", "localhost"), { tls });
    await byName.produce({ value });
  });

  test("a start with files that cannot be used says which, and leaves nothing open", async (t) => {
    const made = await credentials();
    const folder = makeFolder(t);
    const files = writeServerFiles(folder, made);
    const dataDir = join(folder, "data");
    const bad: readonly [Partial<AgentConfig>, RegExp][] = [
      [{ serverTlsKeyFile: files.serverTlsCertFile }, /server\.pem is no private key/],
      [{ serverTlsCertFile: join(folder, "none.pem") }, /none\.pem/],
      [{ aclPolicyFile: files.aclModelFile }, /line 2 of the policy/],
      [{ aclModelFile: files.aclPolicyFile }, /the model/],
    ];
    for (const [more, message] of bad) {
      await assert.rejects(startAgent({ ...files, ...more, dataDir, rpcPort: 0 }), {
        code: "CONFIGURATION",
        message,
      });
    }
    // The lock of the directory is free again.
    await (await startAgent({ ...files, dataDir, rpcPort: 0, bindAddr: "127.0.0.1:0" })).close();
  });

  test("any gRPC client with the files gets in", async (t) => {
    const { made, agent } = await secured(t);
    const [ca, key, cert] = [made.authority.cert, made.root.key, made.root.cert].map((text) =>
      Buffer.from(text),
    );
    const client = new GrpcClient(agent.rpcAddress, grpc.createSsl(ca, key, cert));
    t.after(() => client.close());
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 20_000, (error) => (error ? reject(error) : resolve()));
    });
  });
});
