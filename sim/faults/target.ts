import type { Random } from "../../src/base/index.ts";

/** What a nemesis can do to a cluster. Machines have small numbers. */
export interface Target {
  readonly machines: readonly number[];
  isUp(machine: number): boolean;
  /** Ends the process: `kill` leaves what was written, `power` only what was synced and some more. */
  crash(machine: number, how: "kill" | "power"): void;
  restart(machine: number): void;
  /** Nothing happens there for a while; then everything that waited. */
  pause(machine: number, ms: number): void;
  block(from: number, to: number): void;
  clog(from: number, to: number, ms: number): void;
  reset(a: number, b: number): void;
  healNetwork(): void;
  transferLeadership(random: Random): void;
  changeMembership(random: Random): void;
  /** Crashes a machine and spoils its disk, if the atlas allows; returns whether it did. */
  damage(machine: number, random: Random): boolean;
  /** Its disk is full, or nearly, for a while. */
  fillDisk(machine: number, ms: number, random: Random): void;
  /** The kernel writes back what is dirty there. */
  writeBack(machine: number): void;
  /** A write or sync fails there soon. */
  failDisk(machine: number, random: Random): void;
}
