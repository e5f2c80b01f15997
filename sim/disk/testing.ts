import { seededRandom, type Clock } from "../../src/base/index.ts";
import type { Disk } from "../../src/log/index.ts";
import { FaultDisk, type FaultDiskOptions } from "./index.ts";

export function newDisk(options: Partial<FaultDiskOptions> = {}): FaultDisk {
  return new FaultDisk({ random: seededRandom(1), ...options });
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (content: Uint8Array): string => new TextDecoder("latin1").decode(content);

/** Writes a file from its start, without a sync of anything. */
export async function put(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.open(path, "replace");
  await file.write(bytes(content), 0);
  await file.close();
}

/** What a process reads of a file. */
export async function get(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, "read");
  const into = new Uint8Array(await file.size());
  await file.read(into, 0);
  await file.close();
  return text(into);
}

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs what is due within `ms`, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= end);
      const next = due.sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
  }
}
