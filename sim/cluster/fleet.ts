import { below, chance, ProglogError, type Random } from "../../src/base/index.ts";
import {
  LogStart,
  OneCluster,
  Participants,
  Watch,
  type StateFacts,
  type Violation,
} from "../checkers/index.ts";
import { Nemesis, type Target } from "../faults/index.ts";
import { violationOf } from "../outcome.ts";
import { spoil } from "../replica/damage.ts";
import { timingOf } from "../replica/timing.ts";
import { factsOf } from "../replica/wire.ts";
import type { Swarm, World } from "../world/index.ts";
import { durableMeta } from "./disk-meta.ts";
import { type Doors, Host, LOG_DIR, type HostSurroundings } from "./host.ts";
import { Rumours, type RumourOptions } from "./rumours.ts";
import { Wires } from "./wires.ts";

const CLUSTER_NAME = "simulated";
const SPARES = 2;

export interface FleetOptions {
  readonly hosts: number;
  /** For how many servers each of them waits; see `--bootstrap-expect`. */
  readonly expect: number;
  readonly rumours: RumourOptions;
  /** They start within so long. */
  readonly startMsMax?: number;
}

interface Seen {
  readonly replicaId: number;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
}

/**
 * Servers as the agent assembles them, on machines that fail: they make their cluster out of nothing,
 * let others in, and hand appends on. Gossip is a port that is late and lies.
 */
export class Fleet implements Target {
  readonly watch: Watch;
  readonly violations: Violation[] = [];
  readonly logStart: LogStart;
  readonly oneCluster: OneCluster;
  readonly participants: Participants;
  readonly wires: Wires;
  readonly rumours: Rumours;
  /** Why processes ended by themselves: the server's name, and the code. */
  readonly exits: string[] = [];
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #options: FleetOptions;
  readonly #random: Random;
  readonly #hosts: Host[] = [];
  readonly #around: HostSurroundings;
  readonly #lastSeen: Map<Host, Seen> = new Map();
  readonly #metas: Map<Host, unknown> = new Map();
  #sparesLeft = SPARES;
  #isCalm = false;
  /** Somebody's disk was lost before there was a cluster: an operator may have to empty the others. */
  #isBegunAnew = false;

  constructor(world: World, swarm: Swarm, options: FleetOptions) {
    this.#world = world;
    this.#swarm = swarm;
    this.#options = options;
    this.#random = world.random("fleet");
    const report = (rule: string, message: string): void =>
      void this.violations.push({ rule, message });
    this.watch = new Watch(report, () => factsOf(Infinity));
    this.logStart = new LogStart(report);
    this.oneCluster = new OneCluster(report);
    this.participants = new Participants(report);
    this.wires = new Wires(world, swarm.network, (number) => this.host(number));
    this.rumours = new Rumours(
      world,
      options.rumours,
      () => this.#hosts,
      (from, to) => !this.wires.isBlocked(from, to),
    );
    this.#around = {
      world,
      clusterName: CLUSTER_NAME,
      segmentBytesMax: swarm.tiny ? 2_048 : 64 * 1024,
      timing: timingOf(swarm.tickMs),
      catchUpBytesPerSecond: swarm.catchUpBytesPerSecond,
      syncMs: () => this.#syncMs(),
      hears: (host) => this.rumours.heardBy(host),
      dial: (from, name, signal) => this.#dial(from, name, signal),
      exited: (host, error) => this.#exited(host, error),
      broke: (host, error) => this.#broke(host, error),
    };
    for (let number = 1; number <= options.hosts; number++) {
      const host = this.#newHost(options.expect);
      // They do not all start at once.
      world.after(below(this.#random, options.startMsMax ?? 3_000), () =>
        this.restart(host.number),
      );
    }
  }

  get machines(): readonly number[] {
    return this.#hosts.map(({ number }) => number);
  }

  hosts(): readonly Host[] {
    return this.#hosts;
  }

  host(number: number): Host {
    return this.#hosts[number - 1] as Host;
  }

  /** Whoever says that it leads; the one of the latest term. */
  leader(): Host | undefined {
    const leaders = this.#hosts.filter(({ replica }) => replica?.status.role === "leader");
    return leaders.reduce<Host | undefined>((best, host) => {
      const isLater = (host.replica?.term ?? 0) > (best?.replica?.term ?? -1);
      return isLater ? host : best;
    }, undefined);
  }

  /** All that run belong to one cluster, vote in it, and have the same log. */
  hasConverged(): boolean {
    const leader = this.leader()?.replica;
    if (leader === undefined) return false;
    const { lastIndex, term, configuration } = leader.status;
    const { voters, votersOutgoing, learners } = configuration;
    if (votersOutgoing.length > 0 || learners.length > 0) return false;
    if (voters.length !== this.#hosts.length) return false;
    return this.#hosts.every(({ replica, replicaId, data }) => {
      if (replica === undefined || data?.directory.meta.clusterId === "") return false;
      const { status } = replica;
      const isVoter = voters.some((voter) => voter.replicaId === replicaId);
      return isVoter && status.commitIndex === lastIndex && status.term === term && !status.damaged;
    });
  }

  describe(): string {
    const lines = this.#hosts.map(({ name, replicaId, replica, isUp, data }) => {
      if (replica === undefined) return `${name} (${replicaId}) ${isUp ? "starting" : "down"}`;
      const { role, term, commitIndex, lastIndex, damaged, configuration } = replica.status;
      const id = data?.directory.meta.clusterId.slice(0, 4);
      const voters = configuration.voters.map((voter) => voter.name).join("+");
      const learners = configuration.learners.map((learner) => learner.name).join("+");
      return `${name} (${replicaId}) of "${id}" ${role} term ${term} commit ${commitIndex} of ${lastIndex}${damaged ? " damaged" : ""} [${voters}|${learners}]`;
    });
    return lines.join("; ");
  }

  /** Whether all that there is now may be lost: before there was a cluster a disk was. */
  get isBegunAnew(): boolean {
    return this.#isBegunAnew;
  }

  /** Shows the checkers who has changed. */
  observe(): void {
    for (const host of this.#hosts) {
      if (!host.process.isTouched) continue;
      host.process.isTouched = false;
      this.#observeCluster(host);
      const { replica, replicaId } = host;
      if (replica === undefined) continue;
      const { role, term, commitIndex, lastIndex, configuration } = replica.status;
      const seen = this.#lastSeen.get(host);
      const isSame = seen?.role === role && seen.term === term && seen.commitIndex === commitIndex;
      if (isSame && seen.replicaId === replicaId) continue;
      this.#lastSeen.set(host, { replicaId, role, term, commitIndex });
      this.#world.note(role, host.number, term, commitIndex);
      if (!host.wasSpoiled) {
        this.logStart.observed(replicaId, replica.lowestOffset, replica.highWatermark);
      }
      this.watch.observed(replicaId, stateOf(host), factsOf(Math.max(lastIndex, commitIndex)));
      this.participants.observed(host.name, host.life, { commitIndex, ...configuration }, (id) =>
        this.#durableEndOf(id),
      );
    }
  }

  nemesis(): Nemesis {
    return new Nemesis(this.#world, this.#swarm, this);
  }

  calm(): void {
    this.#isCalm = true;
    for (const { disk } of this.#hosts) disk.capacityBytes = Infinity;
    this.wires.options = CALM;
    this.rumours.options = { lieChance: 0, splitChance: 0 };
  }

  isUp(number: number): boolean {
    return this.host(number).isUp;
  }

  crash(number: number, how: "kill" | "power"): void {
    const host = this.host(number);
    if (how === "kill" && chance(this.#random, 0.3)) this.#stop(host);
    else this.#end(host, how);
  }

  restart(number: number): void {
    const host = this.host(number);
    if (host.isUp) return;
    // What an earlier life knew of commits is learned again; terms are not forgotten.
    this.watch.restarted(host.replicaId, FORGOTTEN);
    this.logStart.restarted(host.replicaId);
    this.#lastSeen.delete(host);
    this.#metas.delete(host);
    host.start();
  }

  pause(number: number, ms: number): void {
    this.host(number).process.pause(ms);
  }

  block(from: number, to: number): void {
    this.wires.block(from, to);
  }

  clog(from: number, to: number, ms: number): void {
    this.wires.clog(from, to, ms);
  }

  reset(a: number, b: number): void {
    if (a !== b) this.wires.reset(a, b);
  }

  healNetwork(): void {
    this.wires.healAll();
  }

  transferLeadership(random: Random): void {
    const to = this.#hosts[below(random, this.#hosts.length)] as Host;
    this.#operate(random, (asked) => asked.ask("TransferLeadership", { to: to.name }));
  }

  fillDisk(number: number, ms: number, random: Random): void {
    const host = this.host(number);
    host.disk.capacityBytes = host.disk.usedBytes + 4_096 * below(random, 20);
    this.#world.after(ms, () => (host.disk.capacityBytes = Infinity));
  }

  writeBack(number: number): void {
    this.host(number).disk.medium.writeBack();
  }

  failDisk(number: number, random: Random): void {
    const kind = chance(random, 0.5) ? "sync" : "write";
    this.host(number).disk.inject({ kind }, { error: "EIO", keep: below(random, 3) });
  }

  /** A new server, one that an operator removes, or one whose disk is replaced. */
  changeMembership(random: Random): void {
    const draw = below(random, 3);
    const victim = this.#hosts[below(random, this.#hosts.length)] as Host;
    if (draw === 0 && this.#sparesLeft > 0 && this.oneCluster.isMade) {
      this.#sparesLeft -= 1;
      this.#world.note("spare", this.#hosts.length + 1);
      this.restart(this.#newHost(0).number);
    } else if (draw === 1 && !this.#isSpoiled() && this.#hosts.length > 3) {
      this.#world.note("remove", victim.number);
      const { name } = victim;
      this.#operate(random, (asked) => asked.ask("RemoveMember", { name, force: false }));
    } else if (this.#maySpoil(victim)) this.#replaceDisk(victim);
  }

  damage(number: number, random: Random): boolean {
    const host = this.host(number);
    if (!this.#maySpoil(host) || !this.oneCluster.isMade) return false;
    if (host.isUp) this.#end(host, chance(random, 0.5) ? "kill" : "power");
    const what = spoil(host.disk, LOG_DIR, random);
    if (what === undefined) return true;
    host.wasSpoiled = true;
    this.#world.note(what, number);
    return true;
  }

  /** Nobody belongs to a cluster, because a disk was lost on the way to one: all begin with nothing. */
  beginAnew(): void {
    for (const host of this.#hosts) {
      if (host.isUp) this.#end(host, "kill");
      this.#empty(host);
      this.restart(host.number);
    }
  }

  #observeCluster(host: Host): void {
    const meta = host.data?.directory.meta;
    if (meta === undefined || this.#metas.get(host) === meta) return;
    this.#metas.set(host, meta);
    const durable = durableMeta(host.disk);
    if (durable === undefined || durable.clusterId === "") return;
    this.#world.note(`belongs to ${durable.clusterId}`, host.number);
    this.oneCluster.belongs(host.name, durable.clusterName, durable.clusterId);
  }

  #durableEndOf(replicaId: number): number | undefined {
    const host = this.#hosts.find((each) => each.replicaId === replicaId);
    if (host === undefined || host.wasSpoiled) return undefined;
    return host.durableEnd.lastIndex(host.disk);
  }

  #operate(random: Random, what: (control: Doors["cluster"]["control"]) => Promise<unknown>): void {
    const host = this.#hosts[below(random, this.#hosts.length)] as Host;
    host.call(({ cluster }) => {
      what(cluster.control).catch((error: unknown) => {
        if (!(error instanceof ProglogError)) throw error;
      });
    }, true);
  }

  #stop(host: Host): void {
    this.#world.note("stop", host.number);
    host.stop().catch((error: unknown) => {
      if (!(error instanceof ProglogError)) this.violations.push(violationOf(error));
    });
    const { life } = host;
    // As an init system does that has waited long enough.
    this.#world.after(10_000, () => {
      if (host.life === life) this.#exited(host, undefined);
    });
  }

  #end(host: Host, how: "kill" | "power"): void {
    host.crash(how);
    this.wires.abandon(host.number, how);
  }

  #replaceDisk(host: Host): void {
    this.#world.note("wipe", host.number);
    host.wasSpoiled = true;
    this.#isBegunAnew ||= !this.oneCluster.isMade;
    if (host.isUp) this.#end(host, "power");
    this.#empty(host);
    this.#world.after(1_000, () => this.restart(host.number));
  }

  #empty(host: Host): void {
    host.wipe();
    this.#lastSeen.delete(host);
    this.#metas.delete(host);
  }

  /**
   * The atlas: a minority of those who vote, over the whole run. Before there is a cluster, and while
   * some do not belong to it, a disk is lost only where all servers are expected: of five that expect
   * three, three with new disks would be right to make another one.
   */
  #maySpoil(host: Host): boolean {
    const voters = this.leader()?.replica?.status.configuration.voters.length ?? 0;
    const { expect, hosts } = this.#options;
    const count = this.oneCluster.isMade ? voters : hosts;
    const spoiled = this.#hosts.filter(({ wasSpoiled }) => wasSpoiled).length;
    if (host.wasSpoiled || spoiled >= Math.floor((count - 1) / 2)) return false;
    return expect === hosts || this.#hosts.every((each) => this.#belongs(each));
  }

  #belongs({ data }: Host): boolean {
    return data !== undefined && data.directory.meta.clusterId !== "";
  }

  #isSpoiled(): boolean {
    return this.#hosts.some(({ wasSpoiled }) => wasSpoiled);
  }

  #newHost(expect: number): Host {
    const host = new Host(this.#hosts.length + 1, expect, this.#around);
    this.#hosts.push(host);
    return host;
  }

  #dial(from: Host, name: string, signal: AbortSignal): ReturnType<Wires["dial"]> {
    const to = this.#hosts.find((host) => host.name === name);
    if (to === undefined) return Promise.reject(new Error("ENOTFOUND"));
    return this.wires.dial(from, to, signal);
  }

  /** Whoever was removed from the cluster begins again with nothing, and is to be let in. */
  #exited(host: Host, error: ProglogError | undefined): void {
    if (!host.isUp) return;
    this.#world.note(`exit ${error?.code ?? ""}`, host.number);
    this.exits.push(`${host.name} ${error?.code ?? "in order"}`);
    this.#end(host, "kill");
    if (error?.code === "REMOVED") {
      this.#empty(host);
      host.expect = 0;
    }
    this.#world.after(error === undefined ? 2_000 : 500, () => this.restart(host.number));
  }

  /** A start that fails for the disk's sake is a process that ends; any other is a mistake. */
  #broke(host: Host, error: unknown): void {
    const code = error instanceof ProglogError ? error.code : undefined;
    if (
      error instanceof ProglogError &&
      (code === "STORAGE_FAILED" || code === "RESOURCE_EXHAUSTED")
    )
      this.#exited(host, error);
    else this.violations.push(violationOf(error));
  }

  #syncMs(): number {
    const mean = this.#isCalm ? 1 : this.#swarm.syncMsMean;
    const share = 0.25 + below(this.#random, 1 << 16) / (1 << 16);
    return mean * (share + (chance(this.#random, 0.05) ? 4 : 0));
  }
}

const CALM: Swarm["network"] = {
  delayMsMin: 0.5,
  delayMsMean: 1,
  lossChance: 0,
  duplicateChance: 0,
  ordered: true,
};

const FORGOTTEN: StateFacts = { role: "follower", term: 0, vote: 0, commit: 0, voters: [] };

function stateOf({ replica }: Host): StateFacts {
  const { role, term, commitIndex, configuration } = (replica as NonNullable<typeof replica>)
    .status;
  const { voters, votersOutgoing } = configuration;
  const sets = [voters, votersOutgoing].map((set) => set.map(({ replicaId }) => replicaId));
  return {
    role: role === "preCandidate" ? "pre-candidate" : role,
    term,
    vote: 0,
    commit: commitIndex,
    voters: sets.filter((set) => set.length > 0),
  };
}
