import { below, chance, type Random } from "../../src/base/index.ts";
import type { MembersSeen } from "../../src/agent/ports.ts";
import type { World } from "../world/index.ts";

type Member = ReturnType<MembersSeen["members"]>[number];
type Listener = Parameters<MembersSeen["subscribe"]>[0];

/** A server as it says of itself. */
export interface Told {
  readonly number: number;
  readonly name: string;
  /** 0: it has not said yet. */
  readonly replicaId: number;
  readonly expect: number;
  readonly isUp: boolean;
  /** Runs when its process does. */
  run(life: number, action: () => void): void;
  readonly life: number;
}

export interface RumourOptions {
  /** How often what one hears of another is wrong. */
  readonly lieChance: number;
  /** How often a server does not see some others at all in the beginning. */
  readonly splitChance: number;
}

/** Whom a server does not see at all, and until when. */
interface Hidden {
  readonly names: ReadonlySet<string>;
  readonly untilMs: number;
}

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 900;
const SPLIT_MS_MAX = 8_000;

/**
 * Gossip as a port: who is there, late, and sometimes wrong. A server that runs is called failed, one
 * that is down alive, and one whose disk was replaced by the id that it had; and in the beginning
 * servers may see different ones of the others.
 */
export class Rumours {
  options: RumourOptions;
  readonly #world: World;
  readonly #servers: () => readonly Told[];
  readonly #reaches: (from: number, to: number) => boolean;

  constructor(
    world: World,
    options: RumourOptions,
    servers: () => readonly Told[],
    reaches: (from: number, to: number) => boolean,
  ) {
    this.#world = world;
    this.options = options;
    this.#servers = servers;
    this.#reaches = reaches;
  }

  /** What a server hears from now on, as long as its process lives. */
  heardBy(server: Told): MembersSeen {
    const random = this.#world.random(`rumours ${server.number} ${server.life}`);
    const view = new View(server);
    const hidden = this.#hiddenFrom(random);
    const { life } = server;
    const listen = (): void => {
      if (server.life !== life) return;
      this.#refresh(view, hidden, random);
      const pause = PAUSE_MS_MIN + below(random, PAUSE_MS_MAX);
      this.#world.after(pause, listen);
    };
    this.#world.after(below(random, PAUSE_MS_MIN), listen);
    return view;
  }

  #hiddenFrom(random: Random): Hidden {
    const isSplit = chance(random, this.options.splitChance);
    const names = this.#servers().filter(() => isSplit && chance(random, 0.4));
    const untilMs = this.#world.nowMs + below(random, SPLIT_MS_MAX);
    return { names: new Set(names.map(({ name }) => name)), untilMs };
  }

  #refresh(view: View, hidden: Hidden, random: Random): void {
    const { lieChance } = this.options;
    for (const other of this.#servers()) {
      if (other.number === view.server.number || other.replicaId === 0) continue;
      if (this.#world.nowMs < hidden.untilMs && hidden.names.has(other.name)) continue;
      if (!chance(random, 0.6)) continue;
      const reaches = this.#reaches(other.number, view.server.number);
      let isAlive = other.isUp && (reaches || chance(random, 0.3));
      if (chance(random, lieChance)) isAlive = !isAlive;
      // Of somebody who cannot be heard the old news go round.
      const known = view.known(other.name);
      const isOld = known !== undefined && (!reaches || chance(random, lieChance));
      view.hears(isOld ? known : memberOf(other), isAlive ? "alive" : "failed");
    }
  }
}

class View implements MembersSeen {
  readonly name: string;
  readonly server: Told;
  readonly #members: Map<string, Member> = new Map();
  readonly #listeners: Set<Listener> = new Set();

  constructor(server: Told) {
    this.name = server.name;
    this.server = server;
    this.#members.set(server.name, memberOf(server));
  }

  members(): readonly Member[] {
    return [...this.#members.values()];
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  known(name: string): Member | undefined {
    return this.#members.get(name);
  }

  hears(member: Member, status: Member["status"]): void {
    const before = this.#members.get(member.name);
    const isSame = before?.status === status && before.tags.replica_id === member.tags.replica_id;
    if (isSame) return;
    const { server } = this;
    server.run(server.life, () => {
      const now = { ...member, status };
      this.#members.set(member.name, now);
      const kind = status === "alive" ? "join" : "failed";
      for (const listener of this.#listeners) listener({ kind, member: now });
    });
  }
}

function memberOf({ number, name, replicaId, expect }: Told): Member {
  return {
    name,
    address: { ip: Uint8Array.of(10, 0, 0, number), port: 7_946 },
    tags: {
      role: "replica",
      replica_id: String(replicaId),
      rpc_addr: `${name}:8400`,
      expect: String(expect),
    },
    status: "alive",
    versions: VERSIONS,
  };
}

const VERSIONS: Member["versions"] = Uint8Array.of(1, 5, 2, 2, 5, 4);
