import { EventEmitter } from "node:events";
import type { World } from "../world/index.ts";

/** What travels on a connection, in order. */
export type Segment = Uint8Array | "end" | "reset";

/** A kernel's side of one direction of a connection. */
export interface Line {
  /** Bytes that the other end has not taken yet. */
  readonly waitingBytes: number;
  send(segment: Segment): void;
}

/** Whose socket it is. */
export interface Owner {
  /** Runs when the process does; never when it is gone. */
  run(action: () => void): void;
  readonly isGone: boolean;
}

/** So much a kernel takes for a connection; what is beyond waits in the process. */
const KERNEL_BYTES = 64 * 1024;
const HIGH_WATER_BYTES = 16 * 1024;

/**
 * One end of a simulated TCP connection: as much of a `Socket` as links between replicas use. What is
 * written in one moment leaves together at its end; what arrives, and that the other end is gone, the
 * process hears when it runs.
 */
export class SimulatedSocket extends EventEmitter {
  destroyed = false;
  writable = true;
  /** Never 0: nothing has to be held back by hand. */
  readonly writableCorked = 1;
  /** Where the other end is. */
  readonly to: number;
  readonly #world: World;
  readonly #owner: Owner;
  readonly #line: Line;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #in: Segment[] = [];
  #isPaused = false;
  #wasFull = false;

  constructor(world: World, owner: Owner, line: Line, to: number) {
    super();
    this.#world = world;
    this.#owner = owner;
    this.#line = line;
    this.to = to;
  }

  get writableLength(): number {
    return this.#outBytes + Math.max(0, this.#line.waitingBytes - KERNEL_BYTES);
  }

  get writableNeedDrain(): boolean {
    return this.writableLength > HIGH_WATER_BYTES;
  }

  cork(): void {
    // What is written in one moment leaves together anyway.
  }

  uncork(): void {
    // See `cork`.
  }

  write(bytes: Uint8Array): boolean {
    if (!this.writable) return false;
    // The writer may use its array again.
    this.#out.push(bytes.slice());
    this.#outBytes += bytes.length;
    if (this.#out.length === 1) this.#world.after(0, () => this.#flush());
    this.#wasFull ||= this.writableNeedDrain;
    return !this.writableNeedDrain;
  }

  end(): void {
    if (!this.writable) return;
    this.#flush();
    this.writable = false;
    this.#line.send("end");
  }

  pause(): this {
    this.#isPaused = true;
    return this;
  }

  resume(): this {
    this.#isPaused = false;
    if (this.#in.length > 0) this.#soon(() => this.#takeWaiting());
    return this;
  }

  destroy(error?: Error): this {
    if (this.destroyed) return this;
    this.#close(error);
    this.#line.send("end");
    return this;
  }

  /** Its process is gone: killed, and the kernel says so, or with the power of its machine. */
  abandon(how: "kill" | "power"): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.writable = false;
    if (how === "kill") this.#line.send("reset");
  }

  /** The connection breaks on its way: nobody told the other end. */
  break(): void {
    this.#owner.run(() => {
      if (!this.destroyed) this.#close(new Error("ECONNRESET"));
    });
  }

  /** Something has come in for this end. */
  arrive(segment: Segment): void {
    if (!this.destroyed && !this.#owner.isGone) this.#owner.run(() => this.#take(segment));
    else if (segment !== "reset") this.#line.send("reset");
  }

  /** The other end has taken something. */
  drained(): void {
    if (!this.#wasFull || this.writableNeedDrain) return;
    this.#wasFull = false;
    this.#owner.run(() => {
      if (!this.destroyed) this.emit("drain");
    });
  }

  #flush(): void {
    const parts = this.#out;
    this.#out = [];
    this.#outBytes = 0;
    if (parts.length === 0 || this.destroyed || this.#owner.isGone) return;
    this.#line.send(Buffer.concat(parts));
  }

  #takeWaiting(): void {
    while (!this.#isPaused && !this.destroyed) {
      const segment = this.#in.shift();
      if (segment === undefined) return;
      this.#hand(segment);
    }
  }

  #take(segment: Segment): void {
    if (this.destroyed) return;
    if (segment === "reset") this.#close(new Error("ECONNRESET"));
    else if (this.#isPaused || this.#in.length > 0) this.#in.push(segment);
    else this.#hand(segment);
  }

  #hand(segment: Segment): void {
    if (segment === "end") this.emit("end");
    else this.emit("data", segment);
  }

  #close(error: Error | undefined): void {
    this.destroyed = true;
    this.writable = false;
    this.#out = [];
    this.#outBytes = 0;
    this.#in = [];
    this.#soon(() => {
      // Between its making and its first use nobody listens; who comes then sees that it is gone.
      if (error !== undefined && this.listenerCount("error") > 0) this.emit("error", error);
      this.emit("close");
    });
  }

  #soon(action: () => void): void {
    this.#world.after(0, () => this.#owner.run(action));
  }
}
