/** Members on loopback, with real sockets. The protocol's rules are tested in `gossip/`, without any. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { randomBytes } from "node:crypto";
import { networkInterfaces } from "node:os";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { startMember, statuses, until } from "../../test/support/memberships.ts";
import type { RunningMember } from "../../test/support/memberships.ts";
import { skipUnless } from "../../test/support/require.ts";
import { limits } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { VERSIONS } from "../gossip/index.ts";
import { Keyring, resolveHost, serfCodec } from "../transport/index.ts";
import { encodePacket } from "../transport/gossip-packet.ts";
import { readSnapshot } from "./index.ts";
import type { MembershipEvent, SnapshotStore } from "./index.ts";

const KEY = Buffer.alloc(32, 7);

function storeOf(text?: string): SnapshotStore & { text: string | undefined } {
  const store = {
    text,
    read: () => Promise.resolve(store.text),
    write: (written: string) => {
      store.text = written;
      return Promise.resolve();
    },
  };
  return store;
}

function counting(): Observer & { counts: Map<string, number>; lines: string[] } {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  return {
    counts,
    lines,
    log: (_level, event) => void lines.push(event),
    count: (name, by = 1, labels = {}) => {
      const key = [name, ...Object.values(labels)].join(" ");
      counts.set(key, (counts.get(key) ?? 0) + by);
    },
    gauge: () => undefined,
    measure: () => undefined,
  };
}

describe("membership", () => {
  // The book's test of its membership, as behaviour.
  test("three members: joins are reported, and a leave is, with the right statuses", async (t) => {
    const first = await startMember(t, "0", { tags: { rpc_addr: "127.0.0.1:1" } });
    const told: string[] = [];
    first.membership.subscribe((event) => {
      if ("member" in event) told.push(`${event.kind} ${event.member.name}`);
    });
    const second = await startMember(t, "1", { tags: { rpc_addr: "127.0.0.1:2" } });
    const third = await startMember(t, "2", { tags: { rpc_addr: "127.0.0.1:3" } });
    for (const { membership } of [second, third]) {
      assert.equal(await membership.join([first.address]), 1);
    }
    await until(first.membership, () => first.membership.members().length === 3);
    assert.deepEqual(told, ["join 1", "join 2"]);
    const tags = first.membership.members().map((member) => member.tags["rpc_addr"]);
    assert.deepEqual(tags, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    await third.membership.leave();
    await third.membership.close();
    await until(first.membership, () => told.length === 3);
    assert.equal(told.at(-1), "leave 2");
    assert.deepEqual(statuses(first.membership), { 0: "alive", 1: "alive", 2: "left" });
  });

  test("encrypted: events, tags, queries and a change of keys reach everybody", async (t) => {
    const one = await startMember(t, "one", { keys: [KEY] });
    const two = await startMember(t, "two", { keys: [KEY] });
    await two.membership.join([one.address]);
    await until(one.membership, () => one.membership.members().length === 2);

    const seen: MembershipEvent[] = [];
    two.membership.subscribe((event) => {
      seen.push(event);
      if (event.kind === "query") two.membership.respond(event.query, Buffer.from("pong"));
    });
    const payload = Buffer.from([0, 255, 128]);
    one.membership.userEvent("deploy", payload);
    await until(two.membership, () => seen.some(({ kind }) => kind === "user"));
    const event = seen.find((one) => one.kind === "user");
    assert.deepEqual([event?.name, Buffer.from(event?.payload ?? [])], ["deploy", payload]);

    one.membership.setTags({ role: "changed" });
    await until(two.membership, () => two.membership.members()[0]?.tags["role"] === "changed");

    const said: string[] = [];
    const asked = { name: "ping", payload: Buffer.from("x"), ack: true, timeoutMs: 3_000 };
    for await (const answer of one.membership.query(asked)) {
      const text = answer.kind === "ack" ? "" : Buffer.from(answer.payload).toString();
      said.push(`${answer.kind} ${answer.from} ${text}`);
      if (said.length === 3) break;
    }
    assert.deepEqual(said.sort(), ["ack one ", "ack two ", "response two pong"]);

    const key = randomBytes(16);
    const { keyQueries } = one.membership;
    for (const operation of ["install", "use"] as const) {
      const report = await keyQueries.run(operation, key, 2);
      assert.deepEqual([report.answered, report.failed], [2, 0], operation);
    }
    await keyQueries.run("remove", KEY, 2);
    const { keys, primaryKeys } = await keyQueries.run("list", undefined, 2);
    assert.deepEqual([...keys], [[key.toString("base64"), 2]]);
    assert.deepEqual([...primaryKeys], [[key.toString("base64"), 2]]);
    const again = await keyQueries.run("remove", key, 2);
    assert.equal(again.failed, 2);
    assert.match(again.messages.get("two") ?? "", /in use/);
  });

  test("with another key nobody joins, and both say why", async (t) => {
    const one = await startMember(t, "one", { keys: [KEY] });
    for (const keys of [[randomBytes(32)], []]) {
      const other = await startMember(t, "other", { keys });
      await assert.rejects(other.membership.joinOnce([one.address]), { code: "UNAVAILABLE" });
      assert.equal(other.membership.members().length, 1);
    }
    assert.equal(one.membership.members().length, 1);
    const key = { code: "CONFIGURATION", message: /beyond loopback a key/ };
    await assert.rejects(startMember(t, "open", { host: "0.0.0.0" }), key);
  });

  test("a member that falls silent is failed, and its return is a join, also from elsewhere", async (t) => {
    const one = await startMember(t, "one");
    const two = await startMember(t, "two");
    await two.membership.join([one.address]);
    await until(one.membership, () => one.membership.members().length === 2);
    await two.membership.close();
    // A process that is started again at once, at another address: nobody has noticed its crash.
    const lost: string[] = [];
    const onConflictLost = ({ message }: Error): void => void lost.push(message);
    const back = await startMember(t, "two", { onConflictLost });
    await back.membership.join([one.address]);
    await until(one.membership, () => statuses(one.membership)["two"] === "failed", 30_000);
    const isBack = (): boolean =>
      one.membership
        .members()
        .some(({ address, status }) => address.port === back.port && status === "alive");
    await until(one.membership, isBack);
    assert.deepEqual(lost, []);
  });

  const isLinux = process.platform === "linux";
  test(
    "all restart at other addresses: the names of seeds are resolved anew, and memories do not harm",
    skipUnless(isLinux, "all of 127.0.0.0/8"),
    async (t) => {
      const found: string[] = [];
      const resolve = (host: string): Promise<readonly Uint8Array[]> =>
        host === "cluster.example"
          ? Promise.resolve(found.map((ip) => Uint8Array.from(ip.split("."), Number)))
          : resolveHost(host);
      const stores = [storeOf(), storeOf(), storeOf()];
      const start = async (net: number, port: number): Promise<RunningMember[]> => {
        const members: RunningMember[] = [];
        for (const [i, snapshot] of stores.entries()) {
          const host = `127.0.${net}.${i + 1}`;
          const at = members[0]?.port ?? port;
          members.push(await startMember(t, `m${i}`, { host, port: at, snapshot, resolve }));
        }
        // Names that are not there yet at the start are asked for again.
        const joined = members.map(({ membership, port: at }) =>
          membership.keepJoined([`cluster.example:${at}`]),
        );
        found.splice(0, found.length, ...[1, 2, 3].map((last) => `127.0.${net}.${last}`));
        const allAlive = { m0: "alive", m1: "alive", m2: "alive" };
        for (const { membership } of members) {
          await until(membership, () => isDeepStrictEqual(statuses(membership), allAlive));
        }
        const own = members[0]?.membership.members().map(({ address }) => address.ip[2]);
        assert.deepEqual(own, [net, net, net]);
        void Promise.all(joined);
        return members;
      };
      const first = await start(11, 0);
      for (const { membership } of first) await membership.close();
      const old = readSnapshot(stores[0]?.text ?? "", "m0")?.addresses ?? [];
      assert.ok(old.length === 2 && old.every((address) => address.startsWith("127.0.11.")));
      found.length = 0;
      await start(12, first[0]?.port ?? 0);
    },
  );

  test("a flood of news about members is counted, and told of once a second", async (t) => {
    const observer = counting();
    const one = await startMember(t, "one", { observer });
    const sender = createSocket("udp4");
    const started = Date.now();
    const [ip, versions] = [Uint8Array.of(127, 0, 0, 1), VERSIONS];
    for (let n = 0; n < 600; n++) {
      const name = `forged-${n}`;
      const claim = { kind: "alive", name, address: { ip, port: 1 + n }, versions } as const;
      const parts = [
        serfCodec.encodePacket({ ...claim, incarnation: 1, meta: new Uint8Array(0) }),
        serfCodec.encodePacket({ kind: "dead", name, incarnation: 1, from: "x" }),
      ];
      const packet = encodePacket({ parts, versions: undefined }, new Keyring([]));
      await new Promise((resolve) => sender.send(packet, one.port, "127.0.0.1", resolve));
    }
    await until(one.membership, () => one.membership.members().length > 400);
    sender.close();
    const told = observer.lines.filter((line) => line.startsWith("member.")).length;
    const seconds = (Date.now() - started) / 1_000;
    assert.ok(told <= limits.memberLinesMax + 1 + seconds, String(told));
    const failed = observer.counts.get("gossip_member_events_total failed") ?? 0;
    assert.ok(failed >= 400, String(failed));
  });

  test("a snapshot lets a restart join without a seed, and keeps old events away", async (t) => {
    const one = await startMember(t, "one");
    const store = storeOf();
    const two = await startMember(t, "two", { snapshot: store });
    await two.membership.join([one.address]);
    one.membership.userEvent("once", Buffer.from(""));
    const events = two.membership.events();
    for await (const event of events) if (event.kind === "user") break;
    await two.membership.leave();
    await two.membership.close();
    assert.deepEqual(readSnapshot(store.text ?? "", "two")?.addresses, [one.address]);
    assert.equal(readSnapshot(store.text ?? "", "another"), undefined);

    const back = await startMember(t, "two", { port: two.port, snapshot: store });
    const seen: string[] = [];
    back.membership.subscribe((event) => {
      if (event.kind === "user") seen.push(event.name);
    });
    assert.deepEqual(back.membership.remembered, [one.address]);
    await back.membership.join(back.membership.remembered);
    await until(one.membership, () => statuses(one.membership)["two"] === "alive");
    one.membership.userEvent("twice", Buffer.from(""));
    await until(back.membership, () => seen.includes("twice"));
    assert.deepEqual(seen, ["twice"]);
  });

  test("a broken snapshot is no snapshot", async (t) => {
    for (const text of ["", "{", "[]", '{"format":1,"name":"x"}', `{"format":2,"name":"x"}`]) {
      const { membership } = await startMember(t, "x", { snapshot: storeOf(text) });
      assert.deepEqual(membership.remembered, []);
      await membership.close();
    }
  });

  test("joins are tried until a seed is there, by its name, and never through ourselves", async (t) => {
    const two = await startMember(t, "two");
    await assert.rejects(two.membership.joinOnce([two.address]), /ourselves/);
    await assert.rejects(two.membership.joinOnce(["no address"]), { code: "INVALID_ARGUMENT" });
    // Said at once, because nobody waits for this one's end.
    assert.throws(() => two.membership.keepJoined(["host:0"]), { code: "INVALID_ARGUMENT" });
    const probe = await startMember(t, "probe");
    await probe.membership.close();
    const joined = two.membership.join([`localhost:${probe.port}`]);
    const one = await startMember(t, "one", { port: probe.port });
    assert.equal(await joined, 1);
    await until(one.membership, () => one.membership.members().length === 2);
    const never = two.membership.join([`127.0.0.1:1`]);
    await two.membership.close();
    assert.equal(await never, 0);
  });

  const hasIpv6 = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ address }) => address === "::1");
  test("over IPv6", skipUnless(hasIpv6, "the address ::1"), async (t) => {
    const one = await startMember(t, "one", { host: "::1" });
    const two = await startMember(t, "two", { host: "::1" });
    await two.membership.join([one.address]);
    await until(one.membership, () => one.membership.members().length === 2);
  });

  test("noise is counted, told of once a second, and changes nothing", async (t) => {
    const observer = counting();
    const one = await startMember(t, "one", { observer });
    const noise = createSocket("udp4");
    const send = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => noise.send(bytes, one.port, "127.0.0.1", () => resolve()));
    for (let i = 0; i < 200; i++) await send(randomBytes(1 + (i % 100)));
    await send(Buffer.alloc(60_000, 0x81));
    const started = Date.now();
    const received = (): number => observer.counts.get("gossip_packets_received_total") ?? 0;
    while (received() < 150 && Date.now() - started < 10_000) await new Promise(setImmediate);
    noise.close();
    assert.ok((observer.counts.get("gossip_dropped_total message") ?? 0) > 50);
    const told = observer.lines.filter((line) => line === "gossip.packet-dropped").length;
    assert.ok(told <= 2 + (Date.now() - started) / 1_000, String(told));
    assert.equal(one.membership.members().length, 1);
  });

  test("a reader who is slow loses the oldest events and is told how many", async (t) => {
    const { membership } = await startMember(t, "one");
    const reader = membership.events()[Symbol.asyncIterator]();
    const first = reader.next();
    for (let i = 0; i < 5_000; i++) membership.userEvent(`e${i}`, new Uint8Array(0));
    const all: MembershipEvent[] = [(await first).value as MembershipEvent];
    await membership.close();
    for await (const event of { [Symbol.asyncIterator]: () => reader }) all.push(event);
    const lost = all.reduce((sum, event) => sum + (event.kind === "lost" ? event.count : 0), 0);
    assert.equal(all.filter(({ kind }) => kind === "user").length + lost, 5_000);
    assert.ok(lost > 0 && all.length <= 4_100);
    assert.throws(() => membership.userEvent("late", new Uint8Array(0)), { code: "CLOSED" });
  });
});
