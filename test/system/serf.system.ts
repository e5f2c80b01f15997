/**
 * Our member among real agents of Serf (Debian's 0.9.4), judged by what they say. Where our own side
 * has to be stopped or killed it is a server's process, else a membership in this one.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { PROFILES, VERSIONS } from "../../src/gossip/index.ts";
import type { MemberRow, PushPull } from "../../src/gossip/index.ts";
import type { MembershipEvent } from "../../src/membership/index.ts";
import { IpcLog, IpcServer, Keyring, serfCodec } from "../../src/transport/index.ts";
import { encodeStream, StreamReader } from "../../src/transport/gossip-stream.ts";
import { silentObserver, systemClock } from "../../src/base/index.ts";
import { startMember, statuses, until } from "../support/memberships.ts";
import type { MemberSettings, RunningMember } from "../support/memberships.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { startCli } from "../support/server.ts";
import { freePort } from "./support/ports.ts";
import { complaints, eventually, serf, SerfAgent, serfMembers } from "./support/serf.ts";

const KEY = "cg8StVXbQJ0gPvMd9o7yrg==";
const NEW_KEY = "5K9OtfP7efFrNKe5WCQvXvnaXJ5cWP0SvXiwe0kkjM4=";
const bytesOf = (key: string | undefined): Uint8Array[] =>
  key === undefined ? [] : [Buffer.from(key, "base64")];
async function ours(
  t: TestContext,
  name: string,
  settings: MemberSettings = {},
): Promise<RunningMember> {
  return startMember(t, name, { profile: PROFILES.lan, port: await freePort(), ...settings });
}

/** Our member with a port for Serf's own tools. */
async function withRpc(t: TestContext, { membership }: RunningMember): Promise<number> {
  const log = new IpcLog(silentObserver, systemClock);
  const server = await IpcServer.listen({ host: "127.0.0.1", port: 0, membership, log });
  t.after(() => server.close());
  return server.port;
}

const needs = skipUnless(commandExists("serf"), "the program serf");

describe("among real agents", { concurrency: true, ...needs }, () => {
  for (const key of [undefined, KEY]) {
    const how = key === undefined ? "in plaintext" : "encrypted";

    test(`${how}: join both ways, talk, hold, and change keys`, async (t) => {
      const a = await SerfAgent.start(t, "a", { key, tags: { role: "x", zone: "é=1" } });
      const mine = await ours(t, "mine", { keys: bytesOf(key), tags: { role: "ours", n: "1" } });
      const { membership } = mine;
      const seen: MembershipEvent[] = [];
      membership.subscribe((event) => {
        seen.push(event);
        if (event.kind === "query") membership.respond(event.query, Buffer.from("from ours"));
      });
      await membership.join([a.address]);
      const b = await SerfAgent.start(t, "b", { key, join: mine.address });
      const expected = [
        { name: "a", addr: a.address, tags: { role: "x", zone: "é=1" }, status: "alive" },
        { name: "b", addr: b.address, tags: {}, status: "alive" },
        { name: "mine", addr: mine.address, tags: { role: "ours", n: "1" }, status: "alive" },
      ];
      for (const peer of [a, b]) {
        const all = await eventually(
          () => peer.members(),
          (members) => members.length === 3,
        );
        const shown = all.map(({ name, addr, tags, status }) => ({ name, addr, tags, status }));
        assert.deepEqual(
          shown.sort((one, two) => (one.name < two.name ? -1 : 1)),
          expected,
        );
      }
      await until(membership, () => membership.members().length === 3);
      const held = new Promise((resolve) => setTimeout(resolve, 36_000));

      await a.run("event", "deploy", "from a");
      await until(membership, () => seen.some((event) => event.kind === "user"));
      membership.userEvent("ours", Buffer.from([0, 255, 10]));
      await b.says(/messageUserEventType: ours/);
      const said = await b.run("query", "-timeout=3s", "ping", "x");
      for (const name of ["a", "b", "mine"]) assert.match(said, new RegExp(`Ack from '${name}'`));
      assert.match(said, /Response from 'mine': from ours/);
      assert.match(await a.run("reachability"), /Successfully contacted all live nodes/);
      const acks: string[] = [];
      const query = { name: "hello", payload: Buffer.from("x"), ack: true, timeoutMs: 2_000 };
      for await (const { kind, from } of membership.query(query)) {
        if (kind === "ack") acks.push(from);
      }
      assert.deepEqual(acks.sort(), ["a", "b", "mine"]);
      membership.setTags({ role: "changed" });
      await eventually(
        () => b.members("-name=mine"),
        ([member]) => member?.tags["role"] === "changed",
      );
      await a.run("tags", "-set=k=v");
      await until(membership, () => membership.members()[0]?.tags["k"] === "v");
      if (key !== undefined) {
        assert.match(await a.run("keys", `-install=${NEW_KEY}`), /Successfully installed/);
        assert.match(await b.run("keys", `-use=${NEW_KEY}`), /Successfully changed/);
        assert.match(await a.run("keys", `-remove=${key}`), /Successfully removed/);
        assert.match(await a.run("keys", "-list"), /\[3\/3\]/);
      }
      // Through a whole interval of push/pull.
      await held;
      for (const peer of [a, b]) assert.equal(complaints(peer.log).join("\n"), "", peer.name);

      await membership.leave();
      await membership.close();
      for (const peer of [a, b]) {
        await peer.sees("mine", "left");
        assert.doesNotMatch(peer.log, /EventMemberFailed/);
        assert.equal(peer.log.match(/EventMemberJoin: mine/g)?.length, 1);
      }
    });

    test(`${how}: an agent leaves, another is killed, and both come back`, async (t) => {
      const keys = bytesOf(key);
      const mine = await ours(t, "mine", { keys });
      const { membership } = mine;
      const join = mine.address;
      const a = await SerfAgent.start(t, "a", { key, join });
      const b = await SerfAgent.start(t, "b", { key, join });
      await until(membership, () => membership.members().length === 3);
      const failed: string[] = [];
      membership.subscribe((event) => {
        if (event.kind === "failed") failed.push(event.member.name);
      });
      await a.run("leave");
      await until(membership, () => statuses(membership)["a"] === "left");
      assert.deepEqual(failed, []);
      await b.kill();
      await until(membership, () => statuses(membership)["b"] === "failed", 35_000);
      const again = await Promise.all([
        SerfAgent.start(t, "a", { key, join, port: a.port }),
        // At its old port, or at another one: who is known to have failed may come from anywhere.
        SerfAgent.start(t, "b", { key, join, port: key === undefined ? b.port : await freePort() }),
      ]);
      await until(
        membership,
        () => Object.values(statuses(membership)).join() === "alive,alive,alive",
      );
      for (const peer of again) {
        await peer.sees("mine", "alive");
        const known = membership.members().find(({ name }) => name === peer.name);
        assert.equal(known?.address.port, peer.port);
      }
    });
  }

  test("a wrong key and a missing one fail at once, on both sides", async (t) => {
    const a = await SerfAgent.start(t, "a", { key: KEY });
    for (const keys of [bytesOf(NEW_KEY), []]) {
      const { membership } = await ours(t, "mine", { keys });
      const started = Date.now();
      await assert.rejects(membership.joinOnce([a.address]), { code: "UNAVAILABLE" });
      assert.ok(Date.now() - started < 5_000);
    }
    const mine = await ours(t, "locked", { keys: bytesOf(KEY) });
    const b = await SerfAgent.start(t, "b");
    await assert.rejects(b.run("join", mine.address));
    assert.equal(mine.membership.members().length, 1);
  });

  test("our server: stopped for 3 s it refutes, killed it is failed, and restarted it is back", async (t) => {
    const a = await SerfAgent.start(t, "a");
    const b = await SerfAgent.start(t, "b", { join: a.address });
    const [port, moved] = [await freePort(), await freePort()];
    const start = (bind: number, folder: string): ReturnType<typeof startCli> =>
      startCli(t, [
        ...["agent", "--data-dir", `${folder}/data`, "--node-name", "mine"],
        ...["--bind-addr", `127.0.0.1:${bind}`, "--start-join-addrs", a.address],
      ]);
    const folder = await import("node:fs/promises").then(async ({ mkdtemp, rm }) => {
      const made = await mkdtemp("/tmp/proglog-serf-");
      t.after(() => rm(made, { recursive: true }));
      return made;
    });
    const first = await start(port, folder);
    const [member] = await a
      .sees("mine", "alive")
      .then((all) => all.filter(({ name }) => name === "mine"));
    assert.equal(member?.tags["role"], "replica");
    assert.match(member.tags["replica_id"] ?? "", /^\d+$/);
    assert.match(member.tags["rpc_addr"] ?? "", /^127\.0\.0\.1:\d+$/);
    await b.sees("mine", "alive");

    process.kill(first.pid, "SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    process.kill(first.pid, "SIGCONT");
    const failures = /EventMemberFailed: mine/g;
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    assert.doesNotMatch(a.log + b.log, failures);
    await a.sees("mine", "alive", 1_000);

    await first.end("SIGKILL");
    await a.sees("mine", "failed");
    const second = await start(port, folder);
    await a.sees("mine", "alive");
    await second.end("SIGTERM");
    await a.sees("mine", "left");
    assert.equal(a.log.match(failures)?.length, 1);
    // After a leave the same name may come from elsewhere.
    const third = await start(moved, folder);
    const all = await a.sees("mine", "alive");
    assert.equal(all.find(({ name }) => name === "mine")?.addr, `127.0.0.1:${moved}`);
    process.kill(third.pid, "SIGKILL");
  });

  test("to an agent, a new address after a crash is a conflict, until the old one is forgotten", async (t) => {
    const a = await SerfAgent.start(t, "a");
    const first = await ours(t, "mine");
    await first.membership.join([a.address]);
    await a.sees("mine", "alive");
    await first.membership.close();
    const second = await ours(t, "mine");
    await second.membership.joinOnce([a.address]);
    await a.says(/Conflicting address for mine/);
    const kept = await a.members("-name=mine");
    assert.equal(kept[0]?.addr, first.address);
    await a.sees("mine", "failed");
    await a.run("force-leave", "mine");
    await eventually(
      async () => {
        await second.membership.joinOnce([a.address]);
        return a.members("-name=mine");
      },
      ([member]) => member?.status === "alive" && member.addr === second.address,
    );
  });

  test("probes for another are relayed, and a nack says when it is silent", async (t) => {
    const sent = new Map<string, number>();
    const observer = {
      ...silentObserver,
      count: (name: string, by = 1, labels: Readonly<Record<string, string>> = {}) => {
        if (name !== "gossip_messages_sent_total") return;
        sent.set(labels["kind"] ?? "", (sent.get(labels["kind"] ?? "") ?? 0) + by);
      },
    };
    const mine = await ours(t, "mine", { observer });
    const a = await SerfAgent.start(t, "a", { join: mine.address });
    const b = await SerfAgent.start(t, "b", { join: mine.address });
    await a.sees("b", "alive");
    b.signal("SIGSTOP");
    await eventually(
      () => sent.get("nack") ?? 0,
      (nacks) => nacks > 0,
    );
    b.signal("SIGCONT");
    await a.sees("b", "alive");
  });

  test("400 members come through push/pull, both ways", async (t) => {
    const a = await SerfAgent.start(t, "a");
    const rows: MemberRow[] = Array.from({ length: 400 }, (_, i) => ({
      name: `m${i}`,
      address: { ip: Uint8Array.of(127, 0, 0, 1), port: 1 + i },
      meta: serfCodec.encodeTags({ n: String(i), fill: "x".repeat(i % 200) }),
      incarnation: 1,
      state: "alive",
      versions: VERSIONS,
    }));
    const message: PushPull = { kind: "push-pull", join: true, members: rows };
    const keyring = new Keyring([]);
    await new Promise<void>((resolve, reject) => {
      const socket = connect(a.port, "127.0.0.1");
      const reader = new StreamReader(keyring);
      socket.write(encodeStream(message, keyring));
      socket.on("data", (chunk) => {
        if (reader.push(chunk) === "more") return;
        socket.destroy();
        resolve();
      });
      socket.on("error", reject);
    });
    // The agent answers first and takes over what it was told afterwards.
    await eventually(
      () => a.members(),
      (members) => members.length === 401,
    );
    const { membership } = await ours(t, "mine");
    await membership.joinOnce([a.address]);
    assert.equal(membership.members().length, 402);
    const far = membership.members().find(({ name }) => name === "m399");
    assert.equal(far?.tags["n"], "399");
    const b = await ours(t, "again");
    const c = await SerfAgent.start(t, "c");
    await c.run("join", `127.0.0.1:${b.port}`).then(() => b.membership.joinOnce([a.address]));
    await c.run("join", `127.0.0.1:${b.port}`);
    const known = await eventually(
      () => c.members(),
      (members) => members.length >= 403,
    );
    assert.ok(known.length >= 403);
  });

  test("Serf's tools are answered by our member as by an agent", async (t) => {
    const mine = await ours(t, "mine", { tags: { role: "ours" }, keys: bytesOf(KEY) });
    const rpc = await withRpc(t, mine);
    const a = await SerfAgent.start(t, "a", { key: KEY, join: mine.address });
    await until(mine.membership, () => mine.membership.members().length === 2);
    const names = async (...filter: string[]): Promise<string> =>
      (await serfMembers(rpc, ...filter)).map(({ name }) => name).join();
    assert.equal(await names(), "a,mine");
    assert.equal(await names("-tag=role=ou.s"), "mine");
    assert.equal(await names("-name=m"), "");
    assert.equal(await names("-status=failed"), "");
    const [shown] = await serfMembers(rpc, "-name=mine");
    assert.deepEqual([shown?.addr, shown?.status], [mine.address, "alive"]);

    await serf(rpc, "event", "deploy", "now");
    await a.says(/messageUserEventType: deploy/);
    const said = await serf(rpc, "query", "-timeout=2s", "ping");
    assert.match(said, /Ack from 'a'/);
    assert.match(said, /Total Acks: 2/);
    assert.match(await serf(rpc, "reachability"), /Successfully contacted all live nodes/);
    assert.match(await serf(rpc, "info"), /encrypted = true/);
    await serf(rpc, "tags", "-set=x=y", "-delete=role");
    await eventually(
      () => a.members("-name=mine"),
      ([member]) => JSON.stringify(member?.tags) === '{"x":"y"}',
    );
    assert.match(await serf(rpc, "keys", `-install=${NEW_KEY}`), /Successfully installed/);
    assert.match(await serf(rpc, "keys", "-list"), /\[2\/2\]/);
    await assert.rejects(serf(rpc, "join", "127.0.0.1:1"));
    assert.match(await serf(rpc, "join", a.address), /contacting 1 nodes/);
    await assert.rejects(serf(rpc, "force-leave", "nobody"), /nobody/);
    await a.kill();
    await until(mine.membership, () => statuses(mine.membership)["a"] === "failed");
    await serf(rpc, "force-leave", "a");
    await until(mine.membership, () => statuses(mine.membership)["a"] === "left");
    assert.match(await serf(rpc, "leave"), /Graceful leave complete/);
  });
});
