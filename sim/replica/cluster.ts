import {
  below,
  chance,
  type Configuration,
  ProglogError,
  type Random,
} from "../../src/base/index.ts";
import type { PeerMessage, Replica } from "../../src/replica/index.ts";
import { LogStart, Watch, type StateFacts, type Violation } from "../checkers/index.ts";
import { Nemesis, type Target } from "../faults/index.ts";
import { violationOf } from "../outcome.ts";
import { Network, type Swarm, type World } from "../world/index.ts";
import { Admin } from "./admin.ts";
import { spoil } from "./damage.ts";
import { durableVote } from "./disk-state.ts";
import { DIRECTORY, Machine, type Surroundings } from "./machine.ts";
import { timingOf } from "./timing.ts";
import { factsOf, watchMessage } from "./wire.ts";

const SPARES = 4;
/** Looking at a disk costs; one acknowledgement in so many is compared with it. */
const LOOKS = 8;

/** A message by its outside. */
export interface Addressed {
  readonly from: number;
  readonly to: number;
  readonly kind: string;
}

interface Seen {
  readonly replicaId: number;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number;
}

/** Whole replicas on machines that fail, connected by a network that fails. */
export class ReplicaCluster implements Target {
  readonly watch: Watch;
  readonly violations: Violation[] = [];
  readonly logStart: LogStart;
  readonly admin: Admin;
  /** A script's hand on the links: what it says is lost, or comes when the script brings it. */
  isLost: ((message: Addressed, envelope: PeerMessage) => boolean) | undefined;
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #network: Network<PeerMessage>;
  readonly #disks: Random;
  readonly #all: Machine[] = [];
  readonly #around: Surroundings;
  readonly #founders: Configuration;
  readonly #lastSeen: Map<Machine, Seen> = new Map();
  #ids: number;
  #sparesLeft = SPARES;
  #isCalm = false;

  constructor(world: World, swarm: Swarm, replicas: number) {
    this.#world = world;
    this.#swarm = swarm;
    this.#disks = world.random("disks");
    this.#ids = replicas;
    this.watch = new Watch(
      (rule, message) => this.violations.push({ rule, message }),
      () => factsOf(Infinity),
    );
    this.logStart = new LogStart((rule, message) => this.violations.push({ rule, message }));
    this.#network = new Network(world, swarm.network, (_, to, message) =>
      this.#arrive(to, message),
    );
    this.admin = new Admin(world, () => this.leader());
    this.#around = {
      world,
      timing: timingOf(swarm.tickMs),
      catchUpBytesPerSecond: swarm.catchUpBytesPerSecond,
      segmentBytesMax: swarm.tiny ? 2_048 : 64 * 1024,
      syncMs: () => this.#syncMs(),
      send: (from, message) => this.#send(from, message),
      exited: (machine) => this.#exited(machine),
      broke: (machine, error) => this.#broke(machine, error),
    };
    for (let number = 1; number <= replicas; number++) this.#all.push(this.#machine(number));
    const voters = this.#all.map(({ replicaId, name }) => ({ replicaId, name }));
    this.#founders = { ...NOBODY, voters };
    for (const machine of this.#all) machine.start(this.#founders);
  }

  get machines(): readonly number[] {
    return this.#all.map(({ number }) => number);
  }

  machine(number: number): Machine {
    return this.#all[number - 1] as Machine;
  }

  /** Whoever says that it leads; the one of the latest term. */
  leader(): Machine | undefined {
    const leaders = this.#all.filter(({ replica }) => replica?.status.role === "leader");
    return leaders.reduce<Machine | undefined>((best, machine) => {
      const isLater = (machine.replica?.term ?? 0) > (best?.replica?.term ?? -1);
      return isLater ? machine : best;
    }, undefined);
  }

  /** Machines of those who take part, as the leader sees it. */
  members(): Machine[] {
    const configuration = this.leader()?.replica?.status.configuration;
    if (configuration === undefined) return [];
    const { voters, votersOutgoing, learners } = configuration;
    const ids = new Set([...voters, ...votersOutgoing, ...learners].map((m) => m.replicaId));
    return this.#all.filter(({ replicaId }) => ids.has(replicaId));
  }

  hasConverged(): boolean {
    const leader = this.leader()?.replica;
    if (leader === undefined || !this.admin.isIdle) return false;
    const { lastIndex, term, configuration } = leader.status;
    if (configuration.votersOutgoing.length > 0) return false;
    return this.members().every(({ replica }) => {
      if (replica === undefined) return false;
      const { status } = replica;
      return status.commitIndex === lastIndex && status.term === term && !status.damaged;
    });
  }

  describe(appended: boolean): string {
    const lines = this.#all.map(({ number, replicaId, replica, isUp }) => {
      if (replica === undefined) return `${number} (${replicaId}) ${isUp ? "starting" : "down"}`;
      const { role, term, commitIndex, lastIndex, damaged } = replica.status;
      return `${number} (${replicaId}) ${role} term ${term} commit ${commitIndex} of ${lastIndex}${damaged ? " damaged" : ""}`;
    });
    return `no agreement after the calm, appended: ${appended}, waiting: ${this.admin.describe()}; ${lines.join("; ")}`;
  }

  /** Shows the checkers who has changed. */
  observe(): void {
    for (const machine of this.#all) {
      if (!machine.process.isTouched) continue;
      machine.process.isTouched = false;
      const { replica, replicaId } = machine;
      if (replica === undefined) continue;
      const { role, term, commitIndex, lastIndex } = replica.status;
      const seen = this.#lastSeen.get(machine);
      if (machine.beganAnew) {
        // As after a crash: it may forget a term that it has told nobody of.
        machine.beganAnew = false;
        this.watch.restarted(replicaId, { ...FORGOTTEN, commit: seen?.commitIndex ?? 0 });
      }
      const isSame = seen?.role === role && seen.term === term && seen.commitIndex === commitIndex;
      if (isSame && seen.replicaId === replicaId) continue;
      this.#lastSeen.set(machine, { replicaId, role, term, commitIndex });
      this.#world.note(role, replicaId, term, commitIndex);
      if (!machine.wasSpoiled) {
        this.logStart.observed(replicaId, replica.lowestOffset, replica.highWatermark);
      }
      this.watch.observed(replicaId, stateOf(replica), factsOf(Math.max(lastIndex, commitIndex)));
    }
  }

  /** Brings a message that was kept back, past the network. */
  hand(message: PeerMessage): void {
    const to = this.#all.find(({ replicaId }) => replicaId === message.to);
    if (to !== undefined) this.#arrive(to.number, message);
  }

  nemesis(): Nemesis {
    return new Nemesis(this.#world, this.#swarm, this);
  }

  calm(): void {
    this.#isCalm = true;
    for (const { disk } of this.#all) disk.capacityBytes = Infinity;
    this.#network.options = CALM;
  }

  isUp(number: number): boolean {
    return this.machine(number).isUp;
  }

  crash(number: number, how: "kill" | "power"): void {
    this.machine(number).crash(how);
  }

  restart(number: number): void {
    const machine = this.machine(number);
    if (machine.isUp) return;
    // What an earlier life knew of commits is learned again; terms are not forgotten.
    this.watch.restarted(machine.replicaId, FORGOTTEN);
    this.logStart.restarted(machine.replicaId);
    this.#lastSeen.delete(machine);
    const isFounder = this.#founders.voters.some((v) => v.replicaId === machine.replicaId);
    machine.start(isFounder ? this.#founders : NOBODY);
  }

  pause(number: number, ms: number): void {
    this.machine(number).pause(ms);
  }

  block(from: number, to: number): void {
    this.#network.block(from, to);
  }

  clog(from: number, to: number, ms: number): void {
    this.#network.clog(from, to, ms);
  }

  reset(a: number, b: number): void {
    if (a === b) return;
    this.#network.reset(a, b);
    const [one, two] = [this.machine(a), this.machine(b)];
    one.call((replica) => replica.unreachable(two.replicaId), false);
    two.call((replica) => replica.unreachable(one.replicaId), false);
  }

  healNetwork(): void {
    this.#network.healAll();
  }

  transferLeadership(random: Random): void {
    const to = this.#all[below(random, this.#all.length)] as Machine;
    this.leader()?.call((replica) => {
      try {
        replica.transferLeadership(to.replicaId);
      } catch (error) {
        // The one that was drawn may be no member, and is refused.
        if (!(error instanceof ProglogError)) throw error;
      }
    }, true);
  }

  /** Some pages are left, or none; who decides on appends is not the only one who meets it. */
  fillDisk(number: number, ms: number, random: Random): void {
    const machine = this.machine(number);
    machine.disk.capacityBytes = machine.disk.usedBytes + 4_096 * below(random, 20);
    this.#world.after(ms, () => (machine.disk.capacityBytes = Infinity));
  }

  writeBack(number: number): void {
    this.machine(number).disk.medium.writeBack();
  }

  failDisk(number: number, random: Random): void {
    const kind = chance(random, 0.5) ? "sync" : "write";
    this.machine(number).disk.inject({ kind }, { error: "EIO", keep: below(random, 3) });
  }

  /** A new member, one less, or a machine whose disk is replaced. */
  changeMembership(random: Random): void {
    if (!this.admin.isIdle) return;
    const leader = this.leader();
    const voters = leader?.replica?.status.configuration.voters ?? [];
    if (leader === undefined || voters.length === 0) return;
    const draw = below(random, 3);
    const victim = voters[below(random, voters.length)];
    if (draw === 0 && this.#sparesLeft > 0) {
      this.#sparesLeft -= 1;
      const machine = this.#machine(this.#all.length + 1);
      machine.replicaId = ++this.#ids;
      this.#all.push(machine);
      this.restart(machine.number);
      this.admin.join(machine);
    } else if (draw === 1 && victim !== undefined && voters.length > 3 && !this.#isSpoiled()) {
      this.admin.remove(victim.replicaId);
    } else if (victim !== undefined) {
      this.#replaceDisk(this.#all.find(({ replicaId }) => replicaId === victim.replicaId));
    }
  }

  damage(number: number, random: Random): boolean {
    const machine = this.machine(number);
    if (!this.#maySpoil(machine)) return false;
    if (machine.isUp) machine.crash(chance(random, 0.5) ? "kill" : "power");
    const what = spoil(machine.disk, DIRECTORY, random);
    if (what === undefined) return true;
    machine.wasSpoiled = true;
    this.#world.note(what, number);
    return true;
  }

  #replaceDisk(machine: Machine | undefined): void {
    if (machine === undefined || !this.#maySpoil(machine)) return;
    this.#world.note("wipe", machine.number);
    machine.wasSpoiled = true;
    if (machine.isUp) machine.crash("power");
    machine.wipe(++this.#ids);
    this.#world.after(1_000, () => this.restart(machine.number));
    this.admin.join(machine);
  }

  /** The atlas: a minority of the founders, over the whole run, and no change of members meanwhile. */
  #maySpoil(machine: Machine): boolean {
    const spoiled = this.#all.filter(({ wasSpoiled }) => wasSpoiled).length;
    const allowed = Math.floor((this.#founders.voters.length - 1) / 2);
    return !machine.wasSpoiled && spoiled < allowed && this.admin.isIdle;
  }

  #isSpoiled(): boolean {
    return this.#all.some(({ wasSpoiled }) => wasSpoiled);
  }

  #machine(number: number): Machine {
    return new Machine(number, this.#around);
  }

  #exited(machine: Machine): void {
    if (!machine.isUp) return;
    this.#world.note("exit", machine.number);
    machine.crash("kill");
    this.#world.after(500, () => this.restart(machine.number));
  }

  /** A start that fails for the disk's sake is a process that ends; any other is a mistake. */
  #broke(machine: Machine, error: unknown): void {
    const code = error instanceof ProglogError ? error.code : undefined;
    if (code === "STORAGE_FAILED" || code === "RESOURCE_EXHAUSTED") this.#exited(machine);
    else this.violations.push(violationOf(error));
  }

  #send(from: Machine, message: PeerMessage): void {
    const to = this.#all.find(({ replicaId }) => replicaId === message.to);
    if (to === undefined) return;
    const disks = this.#disks;
    // Methods, here and wherever it is hot: to give a closure its name costs more than to make it.
    watchMessage(this.watch, message, {
      lastIndex() {
        if (from.wasSpoiled || !chance(disks, 1 / LOOKS)) return undefined;
        return from.durableEnd.lastIndex(from.disk);
      },
      vote() {
        return from.wasSpoiled ? undefined : durableVote(from.disk, DIRECTORY);
      },
    });
    const kind = message.kind === "raft" ? message.message.kind : message.kind;
    const outside = { from: message.from, to: message.to, kind };
    if (this.isLost?.(outside, message) === true) return;
    this.#network.send(from.number, to.number, message);
  }

  #arrive(number: number, message: PeerMessage): void {
    const machine = this.machine(number);
    if (machine.replicaId !== message.to) return;
    const what = message.kind === "raft" ? message.message.kind : message.kind;
    const term = message.kind === "raft" ? message.message.term : 0;
    machine.call((replica) => {
      this.#world.note(what, message.from, message.to, term);
      replica.receive(message);
    }, false);
  }

  #syncMs(): number {
    const mean = this.#isCalm ? 1 : this.#swarm.syncMsMean;
    const share = 0.25 + below(this.#disks, 1 << 16) / (1 << 16);
    return mean * (share + (chance(this.#disks, 0.05) ? 4 : 0));
  }
}

const CALM: Swarm["network"] = {
  delayMsMin: 0.5,
  delayMsMean: 1,
  lossChance: 0,
  duplicateChance: 0,
  ordered: true,
};

const NOBODY: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

const FORGOTTEN: StateFacts = { role: "follower", term: 0, vote: 0, commit: 0, voters: [] };

/** Votes are seen on the wire, and not here. */
function stateOf({ status }: Replica): StateFacts {
  const { role, term, commitIndex, configuration } = status;
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
