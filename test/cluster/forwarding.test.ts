/** Whatever server a client speaks to, it is the same log. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { TestContext } from "node:test";

import type { Agent } from "../../src/agent/index.ts";
import {
  decodeCreateProducerResponse,
  decodeProduceBatchResponse,
  decodeProduceResponse,
  encodeCreateProducerRequest,
  encodeProduceBatchRequest,
} from "../../src/api/index.ts";
import { decodeBatch, encodeBatch, ProglogError } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import { type Disk, realDisk } from "../../src/log/index.ts";
import { startCluster, until } from "../support/cluster.ts";
import { bytes, collect, LogClient, produceRequest, take, text } from "../support/log-server.ts";

interface Places {
  readonly leader: Agent;
  readonly followers: readonly [Agent, Agent];
}

async function led(t: Pick<TestContext, "after">): Promise<Places> {
  const cluster = await startCluster(t, 3);
  const leader = await cluster.untilLed();
  const [one, two] = cluster.agents.filter((agent) => agent !== leader);
  assert.ok(one !== undefined && two !== undefined);
  await Promise.all([one, two].map(({ replica }) => replica.readBarrier()));
  return { leader, followers: [one, two] };
}

function clientOf(t: TestContext, { rpcAddress }: Agent): LogClient {
  const client = new LogClient(rpcAddress);
  t.after(() => client.close());
  return client;
}

/** The records from an offset on. */
async function valuesOf({ commitLog }: Agent, from: number): Promise<string[]> {
  const values: string[] = [];
  await commitLog.readBarrier();
  while (from + values.length < commitLog.highWatermark) {
    for (const batch of await commitLog.read(from + values.length, 1_000_000)) {
      for (const { value } of decodeBatch(batch)) values.push(text(value));
    }
  }
  return values;
}

describe("a server that does not lead", () => {
  // One cluster for all that leaves it whole: to make one takes longer than to use it.
  const ends: (() => Promise<void>)[] = [];
  let shared: Promise<Places> | undefined;
  const places = async (): Promise<Places & { readonly base: number }> => {
    shared ??= led({ after: (end) => void ends.push(end as () => Promise<void>) });
    const { leader, followers } = await shared;
    return { leader, followers, base: leader.commitLog.highWatermark };
  };
  after(async () => {
    for (const end of ends) await end();
  });

  test("takes appends of every kind, over gRPC and over HTTP", async (t) => {
    const { leader, followers, base } = await places();
    const [follower, other] = followers;
    const client = clientOf(t, follower);
    const first = await client.unary("Produce", produceRequest("unary"));
    assert.equal(decodeProduceResponse(first).baseOffset, base);

    const stream = client.bidirectional("ProduceStream");
    for (let at = 0; at < 50; at++) stream.write(produceRequest(`stream ${at}`));
    const answers = await take(stream, 50);
    assert.deepEqual(
      answers.map((answer) => decodeProduceResponse(answer).baseOffset),
      Array.from({ length: 50 }, (_, at) => base + at + 1),
    );
    stream.end();

    const batches = client.bidirectional("ProduceBatches");
    const batch = encodeBatch([{ value: bytes("b1") }, { value: bytes("b2") }], { nowMs: 1 });
    batches.end(encodeProduceBatchRequest({ batch, log: "", expectedOffset: undefined }));
    const { messages, error } = await collect(batches);
    assert.equal(error, undefined);
    const { baseOffset, recordCount } = decodeProduceBatchResponse(messages[0] ?? Buffer.alloc(0));
    assert.deepEqual([baseOffset, recordCount], [base + 51, 2]);

    const address = `http://${other.httpAddress ?? ""}`;
    const post = async (path: string, body: string): Promise<unknown> =>
      (await fetch(`${address}${path}`, { method: "POST", body })).json();
    assert.deepEqual(await post("/", '{"record":{"value":"aHR0cA=="}}'), { offset: base + 53 });
    const several = '{"records":[{"value":"x"},{"value":"y"}]}';
    assert.deepEqual(await post("/v1/records", several), { offsets: [base + 54, base + 55] });

    const expected = ["unary", ...Array.from({ length: 50 }, (_, at) => `stream ${at}`)];
    expected.push("b1", "b2", "http", "x", "y");
    for (const agent of [leader, follower, other]) {
      assert.deepEqual(await valuesOf(agent, base), expected);
    }
  });

  test("a producer's repetition is known wherever it comes in", async (t) => {
    const { leader, followers, base } = await places();
    const [one, two] = followers.map((agent) => clientOf(t, agent));
    assert.ok(one !== undefined && two !== undefined);
    const made = await one.unary(
      "CreateProducer",
      encodeCreateProducerRequest({ name: "p", log: "" }),
    );
    const { id, epoch } = decodeCreateProducerResponse(made);
    const request = produceRequest("once", { stamp: { id, epoch, sequence: 0 } });
    const outcomes: [number, boolean][] = [];
    for (const client of [one, two, clientOf(t, leader), one]) {
      const { baseOffset, duplicate } = decodeProduceResponse(
        await client.unary("Produce", request),
      );
      outcomes.push([baseOffset, duplicate]);
    }
    assert.deepEqual(outcomes, [
      [base, false],
      [base, true],
      [base, true],
      [base, true],
    ]);
    const gap = produceRequest("gap", { stamp: { id, epoch, sequence: 5 } });
    await assert.rejects(two.unary("Produce", gap), { code: "SEQUENCE_GAP", notAppended: true });
    assert.deepEqual(await valuesOf(leader, base), ["once"]);
  });

  test("an expected offset holds there too, and a refusal says that nothing was appended", async (t) => {
    const { leader, followers, base } = await places();
    const client = clientOf(t, followers[0]);
    await client.unary("Produce", produceRequest("a", { expectedOffset: base }));
    const late = client.unary("Produce", produceRequest("b", { expectedOffset: base }));
    await assert.rejects(late, { code: "OFFSET_MISMATCH", notAppended: true });
    const large = produceRequest("x".repeat(2 * 1024 * 1024));
    await assert.rejects(client.unary("Produce", large), {
      code: "RECORD_TOO_LARGE",
      notAppended: true,
    });
    const stream = client.bidirectional("ProduceStream");
    stream.write(produceRequest("c"));
    stream.write(produceRequest("wrong", { expectedOffset: 7 }));
    stream.write(produceRequest("behind"));
    stream.end();
    const { messages, error } = await collect(stream);
    assert.equal(messages.length, 1);
    assert.deepEqual([error?.code, error?.notAppended], ["OFFSET_MISMATCH", true]);
    assert.deepEqual(await valuesOf(leader, base), ["a", "c"]);
  });

  test("reads what was answered elsewhere when it is asked to, and knows the end of the log", async () => {
    const { leader, followers, base } = await places();
    await using writer = connect(leader.rpcAddress);
    await using reader = connect(followers[0].rpcAddress);
    for (let at = 0; at < 20; at++) {
      const { offset } = await writer.produce({ value: bytes(`${at}`) });
      const record = await reader.read(offset, { consistency: "linearizable" });
      assert.equal(record.value?.toString(), `${at}`);
    }
    await assert.rejects(reader.read(base + 21), { code: "OFFSET_OUT_OF_RANGE" });
    const past = await fetch(`http://${followers[1].httpAddress ?? ""}/?offset=${base + 21}`);
    assert.equal(past.status, 404);
  });

  test("without a majority it appends nothing, and says so", async (t) => {
    const { leader, followers } = await led(t);
    const [follower, other] = followers;
    await Promise.all([leader.close(), other.close()]);
    // It may have been asked to lead, and finds out that it has no majority.
    const { replica } = follower;
    await until(() => !replica.decides && replica.leader === undefined, "it believes in a leader");
    const failed = await follower.commitLog.append({ value: bytes("nowhere") }, {}).then(
      () => assert.fail("it was appended"),
      (caught: unknown) => ProglogError.from(caught),
    );
    assert.equal(failed.notAppended, true);
    assert.equal(failed.code, "NOT_LEADER");
  });

  test("a leader that ends meanwhile: nobody says that it was not appended", async (t) => {
    const gate = { isShut: false, waiting: [] as (() => void)[] };
    const open = (): void => {
      gate.isShut = false;
      for (const go of gate.waiting.splice(0)) go();
    };
    t.after(open);
    const cluster = await startCluster(t, 3, { optionsFor: () => ({ disk: gated(gate) }) });
    const leader = await cluster.untilLed();
    const follower = cluster.agents.find((agent) => agent !== leader) ?? assert.fail();
    await follower.replica.readBarrier();
    const { lastIndex } = leader.replica.status;
    // No disk says that anything is durable: it cannot be committed.
    gate.isShut = true;
    const outcome = follower.commitLog.append({ value: bytes("perhaps") }, {}).then(
      () => undefined,
      (caught: unknown) => ProglogError.from(caught),
    );
    await until(() => leader.replica.status.lastIndex > lastIndex, "it does not arrive");
    const closing = leader.close();
    const error = await outcome;
    assert.deepEqual([error?.code, error?.notAppended], ["UNAVAILABLE", false]);
    open();
    await closing;
  });
});

/** The real disk, whose syncs wait while the gate is shut. */
function gated(gate: { readonly isShut: boolean; readonly waiting: (() => void)[] }): Disk {
  return {
    ...realDisk,
    open: async (path, mode) => {
      const file = await realDisk.open(path, mode);
      return {
        read: (into, position) => file.read(into, position),
        write: (content, position) => file.write(content, position),
        truncate: (length) => file.truncate(length),
        size: () => file.size(),
        close: () => file.close(),
        sync: async () => {
          if (gate.isShut) await new Promise<void>((resolve) => gate.waiting.push(resolve));
          await file.sync();
        },
      };
    },
  };
}
