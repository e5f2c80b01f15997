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

/** Fewer are not worth a sweep. */
const SWEPT_MIN = 1_024;

/** Time, counted in ticks, and what waits for it: a binary heap. What is due together runs in the order it was asked for. */
export class Schedule {
  now = 0;
  #order = 0;
  readonly #heap: Entry[] = [];
  /** So many entries of the heap. */
  #cancelled = 0;

  /** Runs once, `ticks` from now and never within this call; at least one tick. */
  after(ticks: number, run: () => void): Task {
    const entry: Entry = { tick: this.now + Math.max(1, ticks), order: this.#order++, run };
    this.#heap.push(entry);
    this.#siftUp(this.#heap.length - 1);
    return {
      cancel: () => {
        if (entry.run === undefined) return;
        entry.run = undefined;
        this.#cancelled += 1;
        this.#sweep();
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

  /** So many ticks later; what is due meanwhile runs at its own. */
  advance(ticks = 1): void {
    const until = this.now + ticks;
    for (let next = this.#heap[0]; next !== undefined && next.tick <= until;) {
      this.now = Math.max(this.now, next.tick);
      this.#pop();
      const { run } = next;
      next.run = undefined;
      if (run === undefined) this.#cancelled -= 1;
      else run();
      next = this.#heap[0];
    }
    this.now = until;
  }

  /** Entries that wait, cancelled ones included. */
  get size(): number {
    return this.#heap.length;
  }

  /** Ticks in which nothing is due, and one more: at least 1; Infinity when nothing waits. */
  get ticksUntilDue(): number {
    for (let next = this.#heap[0]; next !== undefined; next = this.#heap[0]) {
      if (next.run !== undefined) return Math.max(1, next.tick - this.now);
      this.#pop();
      this.#cancelled -= 1;
    }
    return Infinity;
  }

  /** What was cancelled goes at its tick, or when it is most of what waits: then at once. */
  #sweep(): void {
    if (this.#cancelled < SWEPT_MIN || 2 * this.#cancelled < this.#heap.length) return;
    const kept = this.#heap.filter(({ run }) => run !== undefined);
    kept.sort((a, b) => a.tick - b.tick || a.order - b.order);
    this.#heap.splice(0, this.#heap.length, ...kept);
    this.#cancelled = 0;
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
