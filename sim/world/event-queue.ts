/** Something that happens at a time. Cancelled ones stay in the queue and are passed over. */
export interface Scheduled {
  readonly at: number;
  /** Breaks ties: first scheduled, first to happen. */
  readonly number: number;
  action: (() => void) | undefined;
}

/** A binary heap on (time, number). */
export class EventQueue {
  readonly #heap: Scheduled[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Scheduled;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  peek(): Scheduled | undefined {
    return this.#heap[0];
  }

  pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Scheduled, heap[child] as Scheduled)) {
        child = right;
      }
      const below = heap[child] as Scheduled;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

export function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}
