import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { startMember, until } from "../../test/support/memberships.ts";
import { makeFolder } from "../../test/support/program.ts";
import { PROFILES } from "../gossip/index.ts";
import { runCli, startCli, startServer } from "../../test/support/server.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("two servers find each other, and members are shown and told of events", async (t) => {
  const serfRpcAddr = `127.0.0.1:${await freePort()}`;
  const one = await startServer(t, { nodeName: "one", serfRpcAddr, serfRpcAuth: "token" });
  const two = await startServer(t, { nodeName: "two", startJoinAddrs: [one.gossipAddress] });
  while (one.membership.members().length < 2) {
    for await (const event of one.membership.events()) if (event.kind === "join") break;
  }
  const env = { PROGLOG_SERF_RPC_ADDR: serfRpcAddr, PROGLOG_SERF_RPC_AUTH: "token" };
  const shown = await runCli(["members"], { env });
  assert.equal(shown.code, 0, shown.stderr);
  const [heading, first, second] = shown.stdout.trimEnd().split("\n");
  assert.match(heading ?? "", /^name +address +status +tags$/);
  assert.match(
    first ?? "",
    /^one +127\.0\.0\.1:\d+ +alive +.*replica_id=\d+,role=replica,rpc_addr=/,
  );
  assert.match(second ?? "", /^two /);
  const json = await runCli(["members", "--json"], { env });
  const rows = json.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  const [, other] = rows as { name: string; address: string; tags: Record<string, string> }[];
  assert.equal(other?.address, two.gossipAddress);
  assert.equal(other.tags["rpc_addr"], two.rpcAddress);

  const events: string[] = [];
  two.membership.subscribe((event) => {
    if (event.kind === "user") events.push(event.name);
  });
  const told = await runCli(["members", "event", "deploy", "now"], { env });
  assert.deepEqual([told.code, told.stdout], [0, ""]);
  await until(two.membership, () => events.includes("deploy"));

  const wrong = await runCli(["members", "--serf-rpc-auth", "no"], { env });
  assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
  const nobody = await runCli(["members", "--serf-rpc-addr", "127.0.0.1:1"]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no agent answers at 127\.0\.0\.1:1.*--serf-rpc-addr/);
});

test("a second server of a name that is taken ends with exit 78, and the first goes on", async (t) => {
  const witness = await startMember(t, "witness", { profile: PROFILES.lan });
  const startJoinAddrs = [witness.address];
  const first = await startServer(t, { nodeName: "one", startJoinAddrs });
  const isSeen = (): boolean => witness.membership.members().some(({ name }) => name === "one");
  await until(witness.membership, isSeen);
  const args = ["agent", "--data-dir", join(makeFolder(t), "data"), "--node-name", "one"];
  const second = await startCli(t, [...args, "--start-join-addrs", witness.address]);
  assert.equal(await second.ended, 78);
  assert.match(second.stderr(), /another member is called one: 0 of 1 say/);
  const [one] = witness.membership.members();
  assert.deepEqual([one?.name, one?.status], ["one", "alive"]);
  assert.equal(`127.0.0.1:${one?.address.port ?? 0}`, first.gossipAddress);
});

test("a gossip port that is taken ends the start with exit 69 and a clear line", async (t) => {
  const one = await startServer(t);
  const args = ["dev", "--bind-addr", one.gossipAddress];
  const { code, stderr } = await runCli(args, {
    env: { PROGLOG_RPC_PORT: "0", PROGLOG_HTTP_PORT: "auto" },
  });
  assert.equal(code, 69);
  assert.match(stderr, new RegExp(`${one.gossipAddress} is already in use \\(gossip\\)`));
});
