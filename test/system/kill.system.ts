/** `kill -9` at random moments of a server under the load of writers of every kind. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { below, seededRandom } from "../../src/base/index.ts";
import { connect, ProglogError } from "../../src/client/index.ts";
import type { Client, Producer, Sent } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { AgentProcess } from "./support/agent.ts";
import { freePort } from "./support/ports.ts";
import { Journal } from "./support/journal.ts";
import { httpWriter, streamWriter, unaryWriter } from "./support/writers.ts";
import type { Writer } from "./support/writers.ts";

const SERVERS = 2;
const CYCLES = 150;
const WRITERS: readonly Writer[] = [unaryWriter, unaryWriter, httpWriter, httpWriter, streamWriter];
/** For clients that outlive many servers. */
const PATIENT = { attemptsMax: 10_000, delayMsMin: 10, delayMsMax: 100 };

test(`${SERVERS * CYCLES} random kills of a server: nothing acknowledged is lost`, async (t) => {
  const folder = makeFolder(t);
  const servers = Array.from({ length: SERVERS }, (_, i) => killAgainAndAgain(`${folder}/${i}`, i));
  const journals = await Promise.all(servers);
  const sum = (of: "acknowledged" | "unanswered" | "refused"): number =>
    journals.reduce((total, journal) => total + journal[of], 0);
  t.diagnostic(
    `${SERVERS * CYCLES} kills, ${sum("acknowledged")} records acknowledged, 0 lost; ` +
      `${sum("unanswered")} unanswered, ${sum("refused")} refused`,
  );
  assert.ok(sum("acknowledged") > 5 * SERVERS * CYCLES, "the writers got their turns");
});

async function killAgainAndAgain(dataDir: string, seed: number): Promise<Journal> {
  const random = seededRandom(seed);
  const port = await freePort();
  const journal = new Journal();
  await using client = connect(`127.0.0.1:${port}`, { retry: PATIENT });
  const exactlyOnce = new ExactlyOnce(client, journal);
  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    await using server = new AgentProcess({ dataDir, port, flags: ["--segment-bytes", "16KiB"] });
    // Now and then before it is ready: while it recovers from the kill before.
    if (cycle % 10 === 5) await sleep(below(random, 700));
    else await writeUntilKilled(server, { journal, random, cycle });
    server.signal("SIGKILL");
    await server.ended;
  }
  await using server = new AgentProcess({ dataDir, port });
  await server.ready;
  await exactlyOnce.finish();
  await journal.compare(client, "all");
  exactlyOnce.check();
  server.signal("SIGTERM");
  assert.equal(await server.ended, 0, server.stderr);
  return journal;
}

interface Cycle {
  readonly journal: Journal;
  readonly random: ReturnType<typeof seededRandom>;
  readonly cycle: number;
}

async function writeUntilKilled(
  server: AgentProcess,
  { journal, random, cycle }: Cycle,
): Promise<void> {
  const address = await server.ready;
  if (cycle % 10 === 0) {
    await using reader = connect(address);
    await journal.compare(reader, "new");
  }
  const killed = new AbortController();
  const { signal } = killed;
  const writers = WRITERS.map((write, i) =>
    write({ address, journal, signal, name: `${cycle}/${i}` }),
  );
  await sleep(below(random, 300));
  server.signal("SIGKILL");
  await server.ended;
  killed.abort();
  await Promise.all(writers);
}

/** One idempotent producer over all kills: each of its records is in the log once, in order. */
class ExactlyOnce {
  readonly #journal: Journal;
  readonly #producer: Producer;
  readonly #stop = new AbortController();
  readonly #writing: Promise<void>;
  readonly #values: string[] = [];
  readonly #acks: Promise<void>[] = [];

  constructor(client: Client, journal: Journal) {
    this.#journal = journal;
    this.#producer = client.producer({ deliveryTimeoutMs: 3_600_000, bufferBytesMax: 4096 });
    this.#writing = this.#write(this.#stop.signal);
    this.#writing.catch(() => undefined);
  }

  /** Sends no more, and waits until everything sent is acknowledged. */
  async finish(): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    await this.#producer.close();
    await Promise.all(this.#acks);
  }

  check(): void {
    const offsets = this.#values.map((value) => this.#journal.offsetOf(value));
    assert.ok(offsets.length > 100, `${offsets.length} records of the idempotent producer`);
    for (const [i, offset] of offsets.entries()) {
      assert.ok(offset !== undefined, `record ${i} is there`);
      assert.ok(
        i === 0 || offset > (offsets[i - 1] ?? 0),
        `record ${i} comes after the one before`,
      );
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    for (let n = 0; !signal.aborted; n++) {
      const value = `once-${n}`;
      let sent: Sent;
      try {
        sent = await this.#producer.send({ value: Buffer.from(value) }, { signal });
      } catch (error) {
        if (ProglogError.from(error).code === "CANCELLED") return;
        throw error;
      }
      this.#values.push(value);
      this.#acks.push(sent.ack.then(({ offset }) => this.#journal.promise(offset, value)));
      await sleep(1);
    }
  }
}
