import type { Random } from "../base/index.ts";
import { Awareness } from "./awareness.ts";
import type { Codec } from "./codec.ts";
import { MemberList } from "./member.ts";
import { type GossipOptions, VERSIONS } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { Profile } from "./profile.ts";
import { Schedule } from "./schedule.ts";
import type { Address, Versions } from "./message.ts";

/** What the parts of one core share: who we are, time, chance, and where results go. */
export class Context {
  readonly name: string;
  readonly address: Address;
  readonly versions: Versions;
  readonly profile: Profile;
  readonly codec: Codec;
  readonly random: Random;
  readonly schedule: Schedule = new Schedule();
  readonly outbox: Outbox = new Outbox();
  readonly members: MemberList;
  readonly awareness: Awareness;
  readonly #tickMs: number;

  constructor(options: GossipOptions) {
    this.name = options.name;
    this.address = options.address;
    this.versions = options.versions ?? VERSIONS;
    this.profile = options.profile;
    this.codec = options.codec;
    this.random = options.random;
    this.members = new MemberList(options.random);
    this.awareness = new Awareness(options.profile.awarenessMax);
    this.#tickMs = options.tickMs;
  }

  get now(): number {
    return this.schedule.now;
  }

  ticks(ms: number): number {
    return Math.max(1, Math.ceil(ms / this.#tickMs));
  }

  ms(ticks: number): number {
    return ticks * this.#tickMs;
  }
}
