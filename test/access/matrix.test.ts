/**
 * Who may do what, at every door: each kind of caller at each method and each route that a server
 * has. What is served is taken from the server; what is expected is written down here once more, so
 * that the table of permissions is not measured by itself.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials as grpc, status } from "@grpc/grpc-js";
import { startAgent } from "../../src/agent/index.ts";
import type { Agent } from "../../src/agent/index.ts";
import { issueCertificate } from "../../src/auth/index.ts";
import type { KeyPairPem } from "../../src/auth/index.ts";
import { ROUTES } from "../../src/server/http-routes.ts";
import { GrpcServer, Tails } from "../../src/server/index.ts";
import { BOOK_POLICY, CLUSTER, credentials, writeServerFiles } from "../support/credentials.ts";
import { MemoryCommitLog } from "../support/memory-commit-log.ts";

type Outcome = "allowed" | "denied" | "unauthenticated" | "no handshake";
type Need = "produce" | "consume" | "use" | "administer" | "nothing";

/** The methods and routes, from README §4 of the design: what each needs. */
const NEEDS: readonly (readonly [RegExp, Need])[] = [
  [/^\/log\.v1\.Log\/(Produce\w*|CreateProducer)$/, "produce"],
  [/^\/log\.v1\.Log\/Consume\w*$/, "consume"],
  [/^\/log\.v1\.Log\/Get(Servers|Offsets)$/, "use"],
  [/^\/grpc\.health\./, "nothing"],
  [/^\/(grpc\.reflection|cluster)\./, "administer"],
  [/^POST /, "produce"],
  [/^(GET|HEAD) (\/|\/v1\/records)$/, "consume"],
  [/^(GET|HEAD) \/(v1\/servers|v1\/offsets|openapi\.json)$/, "use"],
  [/^(GET|HEAD) \/metrics$/, "administer"],
  [/^(GET|HEAD) \/(healthz|readyz)$/, "nothing"],
];

const POLICY = `${BOOK_POLICY}p, writer, *, produce
p, reader, default, consume
p, admin, *, administer
`;

function needOf(name: string): Need {
  const found = NEEDS.filter(([pattern]) => pattern.test(name));
  assert.equal(found.length, 1, `${name} is expected in exactly one way`);
  return found[0]?.[1] ?? "administer";
}

const MAY: Readonly<Record<string, readonly Need[]>> = {
  root: ["produce", "consume", "use"],
  writer: ["produce", "use"],
  reader: ["consume", "use"],
  admin: ["administer"],
  nobody: [],
  "unknown CN": [],
  peer: [],
};

/** Of whoever gets through the handshake. */
function expected(who: string, need: Need): Outcome {
  if (need === "nothing") return "allowed";
  if (who === "another cluster's peer") return "unauthenticated";
  return MAY[who]?.includes(need) === true ? "allowed" : "denied";
}

const NO_HANDSHAKE = ["no certificate", "other CA", "expired", "not yet valid", "server-only"];

interface Shown {
  readonly ca: string;
  readonly pair: KeyPairPem | undefined;
}

/** The outcome of one gRPC call, whatever its kind: on the wire all of them are streams. */
function call(client: Client, path: string): Promise<Outcome> {
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeBidiStreamRequest(path, asItIs, asItIs);
  return new Promise((resolve) => {
    const done = (outcome: Outcome): void => {
      resolve(outcome);
      stream.cancel();
    };
    stream.on("data", () => done("allowed"));
    stream.on("status", ({ code }) => {
      if (code === status.PERMISSION_DENIED) done("denied");
      else if (code === status.UNAUTHENTICATED) done("unauthenticated");
      else done(code === status.UNAVAILABLE ? "no handshake" : "allowed");
    });
    stream.on("error", () => undefined);
    stream.write(Buffer.alloc(0));
    stream.end();
  });
}

async function ask(address: string, name: string, { ca, pair }: Shown): Promise<Outcome> {
  const [method = "", path = ""] = name.split(" ");
  const asked = request(`https://${address}${path}`, { method, ca, ...pair, agent: false });
  asked.end();
  try {
    const [{ statusCode = 0 }] = (await once(asked, "response")) as [IncomingMessage];
    if (statusCode === 403) return "denied";
    return statusCode === 401 ? "unauthenticated" : "allowed";
  } catch {
    return "no handshake";
  } finally {
    asked.destroy();
  }
}

describe("who may do what", () => {
  const folder = mkdtempSync(join(tmpdir(), "proglog-access-"));
  const started: { agent?: Agent; shown?: ReadonlyMap<string, Shown> } = {};
  const { methods } = new GrpcServer({ tails: new Tails(new MemoryCommitLog()) });
  const routes = [...ROUTES].flatMap(([path, route]) =>
    [...Object.keys(route), ...(route.GET === undefined ? [] : ["HEAD"])].map(
      (method) => `${method} ${path}`,
    ),
  );

  before(async () => {
    const made = await credentials();
    const { authority } = made;
    const client = (name: string): Promise<KeyPairPem> =>
      issueCertificate({ authority, kind: "client", name });
    const foreignPeer = await issueCertificate({
      ...{ authority, kind: "peer", name: "a", clusterName: "another", hosts: ["localhost"] },
    });
    const ca = authority.cert;
    const pairs: Readonly<Record<string, KeyPairPem | undefined>> = {
      root: made.root,
      writer: await client("writer"),
      reader: await client("reader"),
      admin: await client("admin"),
      nobody: made.nobody,
      "unknown CN": made.unknown,
      peer: made.peer,
      "another cluster's peer": foreignPeer,
      "no certificate": undefined,
      "other CA": made.otherCa,
      expired: made.expired,
      "not yet valid": made.notYetValid,
      "server-only": made.serverOnly,
    };
    started.shown = new Map(Object.entries(pairs).map(([who, pair]) => [who, { ca, pair }]));
    started.agent = await startAgent({
      ...writeServerFiles(folder, made, POLICY),
      dataDir: join(folder, "data"),
      clusterName: CLUSTER,
      rpcPort: 0,
      httpPort: "auto",
      bindAddr: "127.0.0.1:0",
    });
    await started.agent.commitLog.append({ value: Buffer.from("one") }, {});
  });

  after(async () => {
    await started.agent?.close();
    rmSync(folder, { recursive: true });
  });

  const callers = [...Object.keys(MAY), "another cluster's peer"];
  for (const who of [...callers, ...NO_HANDSHAKE]) {
    test(`${who}, at ${methods.length} methods and ${routes.length} routes of two ports`, async () => {
      const { agent, shown } = started;
      const mine = shown?.get(who);
      assert.ok(agent !== undefined && mine !== undefined);
      const want = (name: string): Outcome =>
        NO_HANDSHAKE.includes(who) ? "no handshake" : expected(who, needOf(name));

      const { ca, pair } = mine;
      const pem = [ca, pair?.key, pair?.cert].map((text) => (text ? Buffer.from(text) : null));
      const client = new Client(agent.rpcAddress, grpc.createSsl(...pem), {
        "grpc.use_local_subchannel_pool": 1,
      });
      const ports = [agent.rpcAddress, agent.httpAddress ?? ""];
      const cells = [
        ...methods.map(async (name) => [name, want(name), await call(client, name)]),
        ...ports.flatMap((address) =>
          routes.map(async (name) => [name, want(name), await ask(address, name, mine)]),
        ),
      ];
      const wrong = (await Promise.all(cells)).filter(([, wanted, seen]) => wanted !== seen);
      client.close();
      assert.deepEqual(wrong, []);
    });
  }
});
