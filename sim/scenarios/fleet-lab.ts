import { Fleet, type FleetOptions } from "../cluster/fleet.ts";
import type { Doors, Host } from "../cluster/host.ts";
import { World } from "../world/index.ts";
import { QUIET, Script } from "./script.ts";

const NO_RUMOURS = { lieChance: 0, splitChance: 0 };

/** Whole servers under a hand instead of chance. */
export class FleetLab extends Script {
  readonly fleet: Fleet;

  constructor(options: Partial<FleetOptions> & Pick<FleetOptions, "hosts" | "expect">, seed = 1) {
    const world = new World(seed);
    const fleet = new Fleet(world, QUIET, { rumours: NO_RUMOURS, ...options });
    super(world, fleet);
    this.fleet = fleet;
  }

  get hosts(): readonly Host[] {
    return this.fleet.machines.map((number) => this.fleet.host(number));
  }

  /** The one that leads and decides. */
  async leader(): Promise<Host> {
    const isLeading = (): boolean => this.fleet.leader()?.replica?.isLeading === true;
    await this.until("somebody leads", isLeading);
    const leader = this.fleet.leader();
    if (leader === undefined) throw new Error(this.violations[0]?.message ?? "nobody leads");
    return leader;
  }

  doors(host: Host): Doors {
    if (host.doors === undefined) throw new Error(`${host.name} does not run`);
    return host.doors;
  }

  /** Appends at a server, whoever leads; the offset, or undefined when it was not done. */
  async append(host: Host, value: string): Promise<number | undefined> {
    const bytes = new TextEncoder().encode(value);
    return (await this.answer(this.doors(host).log.append({ value: bytes })))?.baseOffset;
  }

  /** Nothing passes between a server and the others. */
  isolate(host: Host): void {
    for (const other of this.hosts) {
      if (other === host) continue;
      this.fleet.block(host.number, other.number);
      this.fleet.block(other.number, host.number);
    }
  }
}
