import { createServer } from "node:net";
import type { Server } from "node:net";

/** Below those that the system gives away, so that one is still free when a server comes back to it. */
const PORT_MIN = 10_000;
const BLOCK_PORTS = 100;
const BLOCKS = 220;

/**
 * Ports for servers that go and come back: to look whether one is free is not enough, for while its
 * server is down it is nobody's, and two processes that begin at the same one take it from each other.
 * Who listens at the first port of a block has all of it, for as long as his process runs.
 */
export class Ports {
  #blockAt: number;
  /** What of our block nobody had yet. */
  #left: number[] = [];

  constructor(blockAt: number) {
    this.#blockAt = blockAt % BLOCKS;
  }

  /**
   * One that is free, and that nobody had before: members go on talking to those that were killed, and
   * must not meet somebody else's there.
   */
  async next(): Promise<number> {
    for (;;) {
      const port = this.#left.shift();
      if (port === undefined) this.#left = await this.#claim();
      else if (await isFree(port)) return port;
    }
  }

  async #claim(): Promise<number[]> {
    for (let tries = 0; tries < BLOCKS; tries++) {
      const first = PORT_MIN + this.#blockAt * BLOCK_PORTS;
      this.#blockAt = (this.#blockAt + 1) % BLOCKS;
      const guard = await listenAt(first);
      if (guard === undefined) continue;
      guard.unref();
      return Array.from({ length: BLOCK_PORTS - 1 }, (_, at) => first + 1 + at);
    }
    throw new Error("every block of ports is taken");
  }
}

const ports = new Ports(process.pid);

/** A port for one server of this process. */
export async function freePort(): Promise<number> {
  return await ports.next();
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenAt(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

async function listenAt(port: number): Promise<Server | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
