/** Dead slots in front that are worth moving the rest for. */
const COMPACT_AT = 1024;

/**
 * A row that grows at its back and shrinks at both ends, at a constant price per element: an array
 * whose front moves. What has left it is held no longer, however large it is.
 */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #front = 0;

  get length(): number {
    return this.#items.length - this.#front;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The element so many places behind the front; undefined beyond either end. */
  at(place: number): T | undefined {
    return place < 0 ? undefined : this.#items[this.#front + place];
  }

  peek(): T | undefined {
    return this.#items[this.#front];
  }

  peekLast(): T | undefined {
    return this.at(this.length - 1);
  }

  shift(): T | undefined {
    if (this.#front === this.#items.length) return undefined;
    const item = this.#items[this.#front];
    this.#items[this.#front++] = undefined;
    if (this.#front === this.#items.length) {
      this.clear();
    } else if (this.#front >= COMPACT_AT && this.#front * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }

  pop(): T | undefined {
    return this.length === 0 ? undefined : this.#items.pop();
  }

  /** The elements at `[from, to)`, counted from the front. */
  slice(from: number, to: number): T[] {
    return this.#items.slice(this.#front + from, this.#front + to) as T[];
  }

  clear(): void {
    this.#items = [];
    this.#front = 0;
  }

  /** From the front to the back. */
  *[Symbol.iterator](): Generator<T, void> {
    for (let at = this.#front; at < this.#items.length; at++) yield this.#items[at] as T;
  }
}
