import type { ServerListings } from "../api/index.ts";
import { limits } from "../base/index.ts";
import { formatHostPort, type HostPort, parseHostPort } from "./addresses.ts";

/** A server as the cluster lists it. */
export interface ListedServer extends HostPort {
  readonly address: string;
  readonly role: "voter" | "learner";
}

/**
 * What is believed of a cluster: its servers, and which of them leads. Answers may be old, and wrong:
 * one of a lower term is not believed as long as the leader that is known can be reached and has not
 * denied it.
 */
export class Directory {
  #servers: ReadonlyMap<string, ListedServer> = new Map();
  #leader: string | undefined;
  #term = 0;

  /** By address. Empty: nobody has told yet. */
  get servers(): ReadonlyMap<string, ListedServer> {
    return this.#servers;
  }

  /** The leader's address. */
  get leader(): string | undefined {
    return this.#leader;
  }

  /** An answer of `GetServers`. */
  learn({ term, servers }: ServerListings, isLeaderReached: boolean): void {
    if (this.#leader !== undefined && isLeaderReached && term < this.#term) return;
    const listed = new Map<string, ListedServer>();
    const leaders: string[] = [];
    for (const { rpcAddress, role, isLeader } of servers.slice(0, limits.clientServersMax)) {
      const where = parseHostPort(rpcAddress);
      if (where === undefined) continue;
      const address = formatHostPort(where);
      listed.set(address, { ...where, address, role });
      if (isLeader) leaders.push(address);
    }
    // Two leaders of one term cannot be, so who tells of two tells nothing.
    this.#leader = leaders.length === 1 ? leaders[0] : undefined;
    this.#term = term;
    if (listed.size > 0) this.#servers = listed;
  }

  /** This server does not lead, by its own word. True if it was believed to. */
  refute(address: string): boolean {
    if (address !== this.#leader) return false;
    this.#leader = undefined;
    this.#term = 0;
    return true;
  }
}
