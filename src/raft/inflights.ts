import { assert } from "../base/index.ts";

interface Inflight {
  /** The last index of the message. */
  readonly index: number;
  readonly bytes: number;
}

/** Appends on their way to one follower, oldest first, limited by number and by bytes. */
export class Inflights {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #waiting: Inflight[] = [];
  /** Acknowledged ones before this place are cut off now and then, not each time. */
  #start = 0;
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#waiting.length - this.#start;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A message larger than the limit in bytes may still go when nothing else is on its way. */
  get full(): boolean {
    return this.count >= this.#messagesMax || this.#bytes >= this.#bytesMax;
  }

  add(index: number, bytes: number): void {
    assert(!this.full, "a full window takes no more messages");
    this.#waiting.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `index` has arrived. */
  freeThrough(index: number): void {
    for (; this.#start < this.#waiting.length; this.#start++) {
      const first = this.#waiting[this.#start];
      if (first === undefined || first.index > index) break;
      this.#bytes -= first.bytes;
    }
    if (this.#start * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#start);
      this.#start = 0;
    }
  }

  reset(): void {
    this.#waiting = [];
    this.#start = 0;
    this.#bytes = 0;
  }
}
