/** The networks that other tests cut: they carry, and they lose what they are told to lose. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { skipUnless } from "../support/require.ts";
import { Network, networkNamespaces } from "./support/netns.ts";
import type { NetworkHost } from "./support/netns.ts";

const PORT = 7;
const PATIENCE_MS = 20_000;
/** Long enough for an echo, on a busy machine too; what is cut costs it. */
const SILENCE_MS = 300;

/**
 * Answers datagrams with the same. For each line, an address, a count and milliseconds, sends so many
 * until all came back, and says how many did not; once only where the line says so.
 */
const PROBE = `
  const socket = require("node:dgram").createSocket("udp4");
  let missing = new Set(), over = () => {};
  socket.on("message", (bytes, { port, address }) => {
    const text = String(bytes);
    if (text.startsWith("ask")) return void socket.send(text.slice(3), port, address);
    missing.delete(Number(text));
    if (missing.size === 0) over();
  });
  require("node:readline").createInterface(process.stdin).on("line", (line) => {
    const [address, count, ms, once] = line.split(" ");
    missing = new Set(Array(Number(count)).keys());
    const send = () => missing.forEach((n) => socket.send("ask" + n, ${PORT}, address));
    const again = once ? undefined : setInterval(send, 20);
    const late = setTimeout(() => over(), Number(ms));
    over = () => {
      over = () => {};
      clearInterval(again), clearTimeout(late);
      console.log(missing.size);
    };
    send();
  });
  socket.bind(${PORT}, () => console.log("listens"));`;

/** A process on a host, or outside of them all. */
class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  static async start(t: TestContext, under: readonly string[]): Promise<Probe> {
    const probe = new Probe(under);
    t.after(() => probe.end());
    assert.equal(await probe.#next(), "listens");
    return probe;
  }

  private constructor(under: readonly string[]) {
    const [program, ...args] = ["env", ...under, process.execPath, "-e", PROBE];
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  }

  /** How many of so many datagrams did not come back. */
  async missing(to: NetworkHost, count: number, ms: number, ...once: string[]): Promise<number> {
    this.#child.stdin?.write(`${[to.address, count, ms, ...once].join(" ")}\n`);
    return Number(await this.#next());
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }

  async #next(): Promise<string> {
    const line = await this.#lines.next();
    return String(line.value);
  }
}

test(
  "a network of namespaces carries, is cut one way and both, loses, and is healed",
  skipUnless(networkNamespaces(), "root that may make network namespaces, nftables"),
  async (t) => {
    const network = new Network(3);
    t.after(() => network[Symbol.dispose]());
    const { hosts } = network;
    const start = ({ under }: NetworkHost): Promise<Probe> => Probe.start(t, under);
    const probes = await Promise.all(hosts.map(start));
    const outside = await Probe.start(t, []);

    const host = (at: number): NetworkHost => hosts[at] ?? assert.fail();
    const probe = (at: number): Probe => probes[at] ?? assert.fail();
    const reaches = async (from: number, to: number): Promise<void> =>
      assert.equal(await probe(from).missing(host(to), 1, PATIENCE_MS), 0);
    const isSilent = async (from: number, to: number): Promise<void> =>
      assert.equal(await probe(from).missing(host(to), 1, SILENCE_MS), 1);

    for (const to of hosts) assert.equal(await outside.missing(to, 1, PATIENCE_MS), 0);
    await reaches(0, 1);
    network.cut(0, 1);
    await isSilent(0, 1);
    await reaches(0, 2);
    assert.equal(await outside.missing(host(0), 1, PATIENCE_MS), 0);
    network.heal();
    await reaches(1, 0);

    // An echo needs both ways: one that is cut is enough for silence.
    network.cut(0, 1, "one");
    await isSilent(0, 1);
    await isSilent(1, 0);
    network.heal();

    network.slow(0, { bytesPerSecond: 100_000, waitMsMax: 1_000, lossPercent: 50 });
    const lost = await probe(0).missing(host(1), 100, 1_000, "once");
    assert.ok(lost > 20 && lost < 90, `${lost} of 100 were lost`);
    network.heal();
    assert.equal(await probe(0).missing(host(1), 100, PATIENCE_MS), 0);
  },
);
