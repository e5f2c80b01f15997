/** A thing to be done at a tick to come. */
export interface Task {
  /** Does nothing when it was done already. */
  cancel(): void;
}

interface Entry {
  readonly tick: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Time, counted in ticks, and what waits for it: a binary heap. What is due together runs in the order it was asked for. */
export class Schedule {
  now = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  /** Runs once, `ticks` from now and never within this call; at least one tick. */
  after(ticks: number, run: () => void): Task {
    const entry: Entry = { tick: this.now + Math.max(1, ticks), order: this.#order++, run };
    this.#heap.push(entry);
    this.#siftUp(this.#heap.length - 1);
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  /** Runs for the first time after `first` ticks, and then whenever `interval()` ticks have passed. */
  every(first: number, interval: () => number, run: () => void): void {
    this.after(first, () => {
      run();
      this.every(interval(), interval, run);
    });
  }

  /** One tick later. */
  advance(): void {
    this.now += 1;
    for (let next = this.#heap[0]; next !== undefined && next.tick <= this.now;) {
      this.#pop();
      next.run?.();
      next = this.#heap[0];
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && this.#isBefore(child, least)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #siftUp(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#heap[a] as Entry;
    const right = this.#heap[b] as Entry;
    return left.tick < right.tick || (left.tick === right.tick && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    const entry = this.#heap[a] as Entry;
    this.#heap[a] = this.#heap[b] as Entry;
    this.#heap[b] = entry;
  }
}
