import {
  below,
  chance,
  soleVoter,
  type Configuration,
  type ConfigurationMember,
  type Random,
} from "../../src/base/index.ts";
import type { ConfigurationChange, Entry, Message } from "../../src/raft/index.ts";
import { Watch, type LogFacts, type Violation } from "../checkers/index.ts";
import { Nemesis, type Target } from "../faults/index.ts";
import { Network, type Swarm, type World } from "../world/index.ts";
import { CoreReplica, type DriveOptions, type Surroundings } from "./replica.ts";
import { SimulatedStorage } from "./storage.ts";

interface Machine {
  readonly id: number;
  storage: SimulatedStorage;
  replica: CoreReplica | undefined;
  pausedUntilMs: number;
  /** What came while it was paused: messages, and questions of clients. */
  waiting: { readonly action: () => void; readonly isClient: boolean }[];
  lives: number;
}

/** Machines beyond those of the beginning: added one after the other. */
const SPARES = 6;
/** After so long a sender knows whether a snapshot has arrived. */
const SNAPSHOT_MS = 1_000;

/** Cores on simulated disks, connected by a simulated network. */
export class CoreCluster implements Target {
  readonly watch: Watch;
  readonly violations: Violation[] = [];
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #around: Surroundings;
  readonly #network: Network<Message>;
  readonly #disks: Random;
  readonly #all: Map<number, Machine> = new Map();
  /** Snapshots that arrived, until their senders were told. */
  readonly #delivered: Set<Message> = new Set();
  #sparesLeft = SPARES;
  #calm = false;

  constructor(world: World, swarm: Swarm, replicas: number) {
    this.#world = world;
    this.#swarm = swarm;
    this.#disks = world.random("disks");
    const report = (rule: string, message: string): void => {
      this.violations.push({ rule, message });
    };
    this.watch = new Watch(report, (id) => this.#logOf(id));
    this.#network = new Network(world, swarm.network, (_, to, message) =>
      this.#arrive(to, message),
    );
    this.#around = {
      world,
      watch: this.watch,
      options: drawDrive(world.random("drive"), swarm.tiny),
      send: (from, message) => this.#send(from, message),
      leadersLog: (id, term) => this.replica(id)?.leadersLog(term),
      syncMs: () => this.#syncMs(),
    };
    const members = Array.from({ length: replicas }, (_, i) => memberOf(i + 1));
    const configuration = { ...soleVoter(memberOf(1)), voters: members };
    for (const { replicaId } of members) this.#add(replicaId, configuration);
    for (const { replicaId } of members) this.restart(replicaId);
  }

  get machines(): readonly number[] {
    return [...this.#all.keys()];
  }

  replica(id: number): CoreReplica | undefined {
    return this.#all.get(id)?.replica;
  }

  /** Those that run. */
  get running(): CoreReplica[] {
    return [...this.#all.values()].flatMap(({ replica }) => replica ?? []);
  }

  /** Runs an action at a machine, now or when its pause is over; not at all when it is down. */
  at(id: number, action: (replica: CoreReplica) => void, isClient = false): void {
    const machine = this.#all.get(id);
    if (machine?.replica === undefined) return;
    const { replica } = machine;
    if (machine.pausedUntilMs > this.#world.nowMs) {
      machine.waiting.push({ action: () => action(replica), isClient });
    } else action(replica);
  }

  /** Who takes part, as the running replica that applied most sees it; those of them that run. */
  members(): CoreReplica[] {
    const newest = this.#newest();
    if (newest === undefined) return [];
    const { voters, learners } = newest.raft.configuration;
    return [...voters, ...learners].flatMap(({ replicaId }) => this.replica(replicaId) ?? []);
  }

  /** Everybody has applied everything, nobody is damaged, and one leads. */
  hasConverged(): boolean {
    const members = this.members();
    const leader = members.find(({ raft }) => raft.role === "leader");
    if (leader === undefined || leader.raft.configuration.votersOutgoing.length > 0) return false;
    const { lastIndex, term } = leader.raft;
    return members.every(
      ({ raft, applied }) => applied === lastIndex && raft.term === term && !raft.damaged,
    );
  }

  describe(appended: boolean): string {
    const lines = this.running.map(
      ({ id, raft, applied }) =>
        `${id} ${raft.role} term ${raft.term} commit ${raft.commitIndex} applied ${applied} of ${raft.lastIndex}${raft.damaged ? " damaged" : ""}`,
    );
    return `no agreement after the calm, appended: ${appended}; ${lines.join("; ")}`;
  }

  nemesis(): Nemesis {
    return new Nemesis(this.#world, this.#swarm, this);
  }

  /** From now on network and disks are good. */
  calm(): void {
    this.#calm = true;
    this.#network.options = {
      delayMsMin: 0.5,
      delayMsMean: 1,
      lossChance: 0,
      duplicateChance: 0,
      ordered: true,
    };
  }

  isUp(id: number): boolean {
    return this.#all.get(id)?.replica !== undefined;
  }

  crash(id: number): void {
    const machine = this.#all.get(id) as Machine;
    machine.replica?.stop();
    machine.replica = undefined;
    machine.waiting = [];
    machine.pausedUntilMs = 0;
    machine.storage.crash(this.#disks);
  }

  restart(id: number): void {
    const machine = this.#all.get(id) as Machine;
    if (machine.replica !== undefined) return;
    machine.lives += 1;
    const random = this.#world.random(`replica ${id} life ${machine.lives}`);
    machine.replica = new CoreReplica(id, machine.storage, random, this.#around);
  }

  pause(id: number, ms: number): void {
    const machine = this.#all.get(id) as Machine;
    machine.pausedUntilMs = Math.max(machine.pausedUntilMs, this.#world.nowMs + ms);
    machine.replica?.pause(machine.pausedUntilMs);
    this.#world.after(ms, () => {
      if (machine.pausedUntilMs > this.#world.nowMs) return;
      const waiting = machine.waiting.splice(0);
      // They came over other connections: which are read first, nobody knows.
      const clientsFirst = chance(this.#disks, 0.5);
      if (clientsFirst) waiting.sort((a, b) => Number(b.isClient) - Number(a.isClient));
      for (const { action } of waiting) action();
    });
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
    this.at(a, (replica) => replica.unreachable(b));
    this.at(b, (replica) => replica.unreachable(a));
  }

  healNetwork(): void {
    this.#network.healAll();
  }

  /** Whether a write fits is the engine's affair. */
  fillDisk(): void {
    return;
  }

  /** Tasks are durable whole, or in part by chance: there is no page to write back. */
  writeBack(): void {
    return;
  }

  failDisk(id: number): void {
    // A failed sync ends the process; what comes after it is a crash.
    if (this.isUp(id)) this.crash(id);
    this.#world.after(500, () => this.restart(id));
  }

  transferLeadership(random: Random): void {
    const { machines } = this;
    const from = machines[below(random, machines.length)] as number;
    const to = machines[below(random, machines.length)] as number;
    this.at(from, (replica) => replica.transfer(to));
  }

  damage(id: number, random: Random): boolean {
    const machine = this.#all.get(id) as Machine;
    const voters = this.#voters();
    const damaged = [...this.#all.values()].filter(({ storage }) => storage.damaged);
    const allowed = Math.floor((voters.length - 1) / 2);
    if (machine.storage.damaged || damaged.length >= allowed || !voters.includes(id)) return false;
    // While members change it is not clear whose majority it would be.
    if (this.#isChanging()) return false;
    this.crash(id);
    machine.storage.damage(random);
    this.watch.wiped(id);
    return true;
  }

  changeMembership(random: Random): void {
    const leader = this.running.find(({ raft }) => raft.role === "leader");
    // Fewer voters could make a majority of those that are damaged.
    const isDamaged = [...this.#all.values()].some(({ storage }) => storage.damaged);
    if (leader === undefined || isDamaged) return;
    const change = this.#drawChange(random, leader.raft.configuration);
    if (change !== undefined) this.at(leader.id, (replica) => replica.change(change));
  }

  #drawChange(random: Random, now: Configuration): ConfigurationChange | undefined {
    const transition = (["auto", "implicit"] as const)[below(random, 2)] ?? "auto";
    const voter = now.voters[below(random, now.voters.length)];
    const learner = now.learners[0];
    const operations: ConfigurationChange["operations"][number][] = [];
    if (learner !== undefined && chance(random, 0.7)) {
      operations.push({ kind: "addVoter", member: learner });
    } else if (this.#sparesLeft > 0) {
      this.#sparesLeft -= 1;
      const id = this.#all.size + 1;
      this.#add(id, undefined);
      this.restart(id);
      operations.push({ kind: "addLearner", member: memberOf(id) });
    }
    if (voter !== undefined && now.voters.length > 2 && chance(random, 0.5)) {
      const down = chance(random, 0.3) ? "addLearner" : "remove";
      operations.push({ kind: down, member: voter });
    }
    return operations.length === 0 ? undefined : { version: 2, transition, operations };
  }

  /** Voters as the running replica that applied most sees them. */
  #voters(): number[] {
    const newest = this.#newest();
    if (newest === undefined) return [];
    const { voters, votersOutgoing } = newest.raft.configuration;
    return [...voters, ...votersOutgoing].map(({ replicaId }) => replicaId);
  }

  /** A change is under way, or lies in some log and may yet be committed. */
  #isChanging(): boolean {
    const newest = this.#newest();
    if (newest === undefined || newest.raft.configuration.votersOutgoing.length > 0) return true;
    const from = newest.applied + 1;
    const isChange = (entry: Entry): boolean => entry.kind === "configuration";
    return [...this.#all.values()].some(
      ({ storage, replica }) =>
        storage.entriesFrom(from).some(isChange) || replica?.entriesFrom(from).some(isChange),
    );
  }

  #newest(): CoreReplica | undefined {
    return this.running.reduce<CoreReplica | undefined>(
      (best, replica) => (best === undefined || replica.applied > best.applied ? replica : best),
      undefined,
    );
  }

  #add(id: number, configuration: Configuration | undefined): void {
    this.#all.set(id, {
      id,
      storage: new SimulatedStorage(configuration),
      replica: undefined,
      pausedUntilMs: 0,
      waiting: [],
      lives: 0,
    });
  }

  /** For "durable on a majority": what a damaged replica lost after it had said so still counts. */
  #logOf(id: number): LogFacts | undefined {
    const storage = this.#all.get(id)?.storage;
    if (storage?.damaged !== true) return storage?.facts;
    return { ...storage.facts, firstIndex: Infinity, durableIndex: Infinity };
  }

  #send(from: number, message: Message): void {
    // A proposal that is handed on is not an attempt of its own: twice it would be two records.
    this.#network.send(from, message.to, message, message.kind === "propose");
    if (message.kind !== "installSnapshot") return;
    this.#world.after(SNAPSHOT_MS, () => {
      const delivered = this.#delivered.delete(message);
      this.at(from, (replica) => replica.snapshotSent(message.to, delivered));
    });
  }

  #arrive(to: number, message: Message): void {
    this.at(to, (replica) => {
      this.#world.note(message.kind, message.from, to, message.term);
      if (message.kind === "installSnapshot") this.#delivered.add(message);
      replica.receive(message);
    });
  }

  #syncMs(): number {
    const mean = this.#calm ? 1 : this.#swarm.syncMsMean;
    return (
      mean * (0.25 + below(this.#disks, 1 << 16) / (1 << 16) + (chance(this.#disks, 0.05) ? 4 : 0))
    );
  }
}

function memberOf(id: number): ConfigurationMember {
  return { replicaId: id, name: `r${id}` };
}

function drawDrive(random: Random, tiny: boolean): DriveOptions {
  return {
    tiny,
    asynchronousStorage: chance(random, 0.6),
    forwardProposals: chance(random, 0.5),
  };
}
