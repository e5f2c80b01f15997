import { readdirSync } from "node:fs";
import { commandExists, isRoot } from "../../support/require.ts";
import { run } from "./mounts.ts";

/** What a link does to all that one host sends. */
export interface Slowness {
  /** More than that waits, and the waiting is the delay. */
  readonly bytesPerSecond: number;
  /** A packet that would wait longer is lost. */
  readonly waitMsMax: number;
  /** Of its packets, so many are lost anyway. */
  readonly lossPercent: number;
}

/** One host of a network: a network namespace with an address of its own. */
export interface NetworkHost {
  readonly address: string;
  /** A program and its arguments that runs another one on this host. */
  readonly under: readonly string[];
}

/** RFC 2544's, for tests of networks: nobody else has addresses there. */
const PREFIX = "198.18";
const NETWORKS_MAX = 256;
const NAME = /^proglog-(\d+)-/;
const NAMESPACES = "/run/netns";

/** Packets of those in the set are dropped as they come in, so that the sender is told nothing. */
const FILTER = `
  add table inet links
  add set inet links lost { type ipv4_addr; }
  add chain inet links in { type filter hook input priority 0; }
  add chain inet links chance
  add rule inet links in ip saddr @lost drop
  add rule inet links in jump chance`;

/**
 * Hosts on one Ethernet, each a network namespace, and this process on it too, as a client that is cut
 * off from nobody. What is cut loses packets in silence: nobody hears that a connection is gone.
 */
export class Network implements Disposable {
  readonly hosts: readonly NetworkHost[];
  readonly #names: readonly string[];
  readonly #switch: string;
  readonly #slow = new Set<number>();

  /** Needs `networkNamespaces()`. */
  constructor(count: number) {
    removeLeftovers();
    const number = freeNumber();
    const name = `proglog-${process.pid}-${number}`;
    this.#switch = `${name}-switch`;
    this.#names = Array.from({ length: count }, (_, at) => `${name}-${at}`);
    this.hosts = this.#names.map((host, at) => ({
      address: `${PREFIX}.${number}.${at + 1}`,
      under: ["ip", "netns", "exec", host],
    }));
    try {
      this.#build(`plg${number}`, `${PREFIX}.${number}.254`);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** What one host sends does not reach the other any more; `both`: nor the other way. */
  cut(from: number, to: number, ways: "one" | "both" = "both"): void {
    this.#filter(to, `add element inet links lost { ${this.#host(from).address} }`);
    if (ways === "both") this.cut(to, from, "one");
  }

  /** All that this host sends takes its time, or is lost. */
  slow(at: number, { bytesPerSecond, waitMsMax, lossPercent }: Slowness): void {
    const rate = ["rate", `${bytesPerSecond}bps`, "burst", "3000", "latency", `${waitMsMax}ms`];
    this.#tc("replace", at, "tbf", ...rate);
    this.#slow.add(at);
    const { address } = this.#host(at);
    const lost = `ip saddr ${address} numgen random mod 100 < ${lossPercent} drop`;
    for (const to of this.hosts.keys()) {
      if (to !== at) this.#filter(to, `add rule inet links chance ${lost}`);
    }
  }

  /** As in the beginning. */
  heal(): void {
    for (const at of this.hosts.keys()) {
      this.#filter(at, "flush set inet links lost; flush chain inet links chance");
    }
    for (const at of this.#slow) this.#tc("delete", at);
    this.#slow.clear();
  }

  /** What runs on a host has ended before. */
  [Symbol.dispose](): void {
    for (const name of [...this.#names, this.#switch]) remove(name);
  }

  #build(device: string, address: string): void {
    run("ip", "netns", "add", this.#switch);
    run("ip", "-n", this.#switch, "link", "add", "bridge", "type", "bridge");
    run("ip", "-n", this.#switch, "link", "set", "bridge", "up");
    this.#plug(device, String(process.pid));
    run("ip", "address", "add", `${address}/24`, "dev", device);
    run("ip", "link", "set", device, "up");
    for (const [at, name] of this.#names.entries()) {
      run("ip", "netns", "add", name);
      this.#plug("eth0", name);
      run("ip", "-n", name, "address", "add", `${this.#host(at).address}/24`, "dev", "eth0");
      for (const link of ["lo", "eth0"]) run("ip", "-n", name, "link", "set", link, "up");
      this.#filter(at, FILTER);
    }
  }

  /** A cable from the switch to a device in a namespace, given by name or process. */
  #plug(device: string, namespace: string): void {
    const end = `to-${namespace.split("-").at(-1) ?? ""}`;
    const peer = ["peer", "name", device, "netns", namespace];
    run("ip", "-n", this.#switch, "link", "add", end, "type", "veth", ...peer);
    run("ip", "-n", this.#switch, "link", "set", end, "master", "bridge", "up");
  }

  #host(at: number): NetworkHost {
    const host = this.hosts[at];
    if (host === undefined) throw new Error(`there is no host ${at}`);
    return host;
  }

  #filter(at: number, commands: string): void {
    run("ip", "netns", "exec", this.#names[at] ?? "", "nft", commands);
  }

  #tc(what: string, at: number, ...discipline: readonly string[]): void {
    run("tc", "-n", this.#names[at] ?? "", "qdisc", what, "dev", "eth0", "root", ...discipline);
  }
}

let known: boolean | undefined;

/** Whether this process may make networks, and the kernel has what that needs. */
export function networkNamespaces(): boolean {
  known ??= isRoot() && ["ip", "tc", "nft"].every(commandExists) && canBuild();
  return known;
}

function canBuild(): boolean {
  try {
    using network = new Network(2);
    network.cut(0, 1);
    network.slow(0, { bytesPerSecond: 1_000_000, waitMsMax: 100, lossPercent: 1 });
    network.heal();
    return true;
  } catch {
    return false;
  }
}

function freeNumber(): number {
  const devices = new Set(readdirSync("/sys/class/net"));
  // Far from the numbers of processes that begin at the same time: theirs are next to ours.
  const at = (i: number): number => (process.pid + i * 37) % NETWORKS_MAX;
  const number = Array.from({ length: NETWORKS_MAX }, (_, i) => at(i));
  const free = number.find((each) => !devices.has(`plg${each}`));
  if (free === undefined) throw new Error(`there are ${NETWORKS_MAX} networks`);
  return free;
}

/** Of processes that were killed before they could tidy up. */
function removeLeftovers(): void {
  for (const name of namespaces()) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (pid > 0 && !isRunning(pid)) remove(name);
  }
}

function remove(name: string): void {
  if (namespaces().includes(name)) run("ip", "netns", "delete", name);
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMESPACES);
  } catch {
    // Nobody has made one yet.
    return [];
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
