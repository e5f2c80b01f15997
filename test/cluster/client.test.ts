/** The client against servers that are one log, while those come and go. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";

import type { Agent } from "../../src/agent/index.ts";
import {
  decodeProduceResponse,
  encodeProduceRequest,
  fromServiceError,
  LOG_METHODS,
} from "../../src/api/index.ts";
import { limits } from "../../src/base/index.ts";
import { connect, registerScheme, type Sent, text } from "../../src/client/index.ts";
import { startCluster, type TestCluster, until } from "../support/cluster.ts";
import { clusterCredentials } from "../support/cluster-credentials.ts";

const FOLLOW = {
  attemptsMax: limits.followRetryAttemptsMax,
  delayMsMin: 10,
  delayMsMax: 200,
};

function addressesOf({ agents }: TestCluster): string {
  return agents.map(({ rpcAddress }) => rpcAddress).join(",");
}

async function isReady({ rpcAddress }: Agent): Promise<boolean> {
  return (await fetch(`http://${rpcAddress}/readyz`)).ok;
}

/** Every server can be asked for the others. */
async function untilReady({ agents }: TestCluster): Promise<void> {
  for (const agent of agents) await until(() => isReady(agent), "it is not ready");
}

describe("a client of three servers", () => {
  test("leaders are closed under its producer's feet: nothing lost, nothing twice, in order", async (t) => {
    const cluster = await startCluster(t, 3);
    await untilReady(cluster);
    await using client = connect(addressesOf(cluster), { retry: FOLLOW });
    await using reader = connect(addressesOf(cluster), { retry: FOLLOW });

    const seen: string[] = [];
    let count = 0;
    const enough = new AbortController();
    const following = (async () => {
      const { signal } = enough;
      for await (const { offset, value } of reader.records({ follow: true, signal })) {
        assert.equal(offset, seen.length, "no offset is left out, none comes twice");
        seen.push(Buffer.from(value ?? []).toString());
      }
    })();

    const producer = client.producer({ batchBytesMax: 400 });
    const sent: Sent[] = [];
    const load = new AbortController();
    const loading = (async () => {
      while (!load.signal.aborted) {
        sent.push(await producer.send({ value: Buffer.from(String(count)) }));
        count += 1;
        if (count % 20 === 0) await pause(1);
      }
    })();

    const leaders = new Set<number>();
    for (let round = 0; round < 2; round++) {
      const leader = await cluster.untilLed();
      const at = cluster.agents.indexOf(leader);
      leaders.add(at);
      const before = sent.length;
      await until(() => sent.length > before + 100, "the producer stands still");
      await leader.close();
      const next = await cluster.untilLed();
      const { highWatermark } = next.commitLog;
      await until(
        () => next.commitLog.highWatermark > highWatermark,
        "the new leader gets nothing",
      );
      // On other ports: the client was never told of these.
      await cluster.start(at);
      await untilReady(cluster);
    }
    load.abort();
    await loading;
    await producer.close();
    await client.produce({ value: Buffer.from(String(count)) });
    count += 1;
    await until(() => seen.length >= count, "the consumer stands still");
    enough.abort();
    await assert.rejects(following, { code: "CANCELLED" });

    const numbers = Array.from({ length: count }, (_, at) => String(at));
    assert.deepEqual(seen, numbers);
    const acks = await Promise.all(sent.map(({ ack }) => ack));
    assert.deepEqual(
      acks.map(({ offset }) => offset),
      numbers.slice(0, -1).map(Number),
    );
    assert.equal(leaders.size, 2, "two leaders were closed");
  });

  test("it appends on the leader and reads on the others, whoever it is told of first", async (t) => {
    const cluster = await startCluster(t, 3);
    await untilReady(cluster);
    const leader = await cluster.untilLed();
    const follower = cluster.agents.find((agent) => agent !== leader) ?? assert.fail();
    await using client = connect(follower.rpcAddress);
    const words = client.typed(text);
    for (let i = 0; i < 20; i++) {
      const { offset } = await words.produce(`record ${i}`);
      // A follower may be behind: the client says what it has already been told is there.
      const record = await words.read(offset);
      assert.equal(record.isValid && record.value, `record ${i}`);
    }
    const { servers } = await client.servers();
    assert.equal(servers.filter(({ isLeader }) => isLeader).length, 1);
  });

  test("with certificates, each server under its own name; a plain channel of grpc-js finds the leader too", async (t) => {
    const secure = await clusterCredentials(3);
    t.after(() => secure.remove());
    const cluster = await startCluster(t, 3, { settingsFor: secure.settingsFor });
    await cluster.untilLed();
    await using client = connect(addressesOf(cluster), { tls: secure.root, retry: FOLLOW });
    assert.equal((await client.produce({ value: Buffer.from("0") })).offset, 0);
    assert.equal(Buffer.from((await client.read(0)).value ?? []).toString(), "0");

    registerScheme();
    const { ca, key, cert } = secure.root;
    const [authority, own, shown] = [ca, key, cert].map((pem) => Buffer.from(pem));
    const ssl = credentials.createSsl(authority, own, shown);
    using plain = new PlainClient(`proglog://${addressesOf(cluster)}`, ssl);
    assert.equal(await plain.produce("1"), 1);
  });
});

class PlainClient implements Disposable {
  readonly #grpc: GrpcClient;

  constructor(target: string, ssl: ReturnType<typeof credentials.createSsl>) {
    this.#grpc = new GrpcClient(target, ssl, { "grpc.use_local_subchannel_pool": 1 });
  }

  produce(value: string): Promise<number> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS.Produce;
    const record = { value: Buffer.from(value) };
    const plain = { log: "", expectedOffset: undefined, stamp: undefined };
    const request = encodeProduceRequest({ record, ...plain });
    return new Promise((resolve, reject) => {
      this.#grpc.makeUnaryRequest(
        ...[path, requestSerialize, responseDeserialize, request],
        (error, answer) => {
          if (answer === undefined) reject(fromServiceError(error));
          else resolve(decodeProduceResponse(answer).baseOffset);
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.#grpc.close();
  }
}
