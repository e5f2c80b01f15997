/** Dead slots in front that are worth moving the rest for. */
const COMPACT_AT = 1024;

/** First in, first out, at a constant price per element: an array whose front moves. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #front = 0;

  get length(): number {
    return this.#items.length - this.#front;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#front];
  }

  shift(): T | undefined {
    const item = this.#items[this.#front];
    if (this.#front === this.#items.length) return undefined;
    this.#items[this.#front++] = undefined;
    if (this.#front === this.#items.length) {
      this.#items = [];
      this.#front = 0;
    } else if (this.#front >= COMPACT_AT && this.#front * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }

  /** From the front to the back. */
  *[Symbol.iterator](): Generator<T, void> {
    for (let at = this.#front; at < this.#items.length; at++) yield this.#items[at] as T;
  }
}
