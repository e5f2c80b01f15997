/**
 * What is on its way to everybody: each message rides on so many packets that, with high probability,
 * everybody has heard it, and then it is forgotten. (SWIM, section 4.1.)
 */

export interface Broadcast {
  readonly bytes: Uint8Array;
  /** A newer broadcast about the same subject replaces this one. */
  readonly subject?: string;
  /** It was sent often enough, or was replaced, or dropped. */
  readonly onFinished?: () => void;
}

interface Queued {
  readonly broadcast: Broadcast;
  readonly order: number;
  transmits: number;
}

/**
 * How often each broadcast is sent: memberlist's multiple of the logarithm. That is four times where
 * there are fewer than ten members, and one of them is missed every now and then; as long as two times
 * for each member are cheap, it is as many.
 */
export function transmitsMax(multiplier: number, membersCount: number): number {
  const memberlists = multiplier * Math.ceil(Math.log10(membersCount + 1));
  return Math.max(memberlists, Math.min(2 * membersCount, 3 * multiplier));
}

/** Sorted: fewest transmits, then longest, then newest. */
function isBefore(a: Queued, b: Queued): boolean {
  if (a.transmits !== b.transmits) return a.transmits < b.transmits;
  const [long, short] = [a.broadcast.bytes.length, b.broadcast.bytes.length];
  return long === short ? a.order > b.order : long > short;
}

export class BroadcastQueue {
  readonly #queue: Queued[] = [];
  readonly #subjects = new Map<string, Queued>();
  #order = 0;

  get length(): number {
    return this.#queue.length;
  }

  has(subject: string): boolean {
    return this.#subjects.has(subject);
  }

  /** False: the queue held more than `lengthMax`, and what was sent most often fell out of it. */
  add(broadcast: Broadcast, lengthMax: number): boolean {
    const { subject } = broadcast;
    const replaced = subject === undefined ? undefined : this.#subjects.get(subject);
    if (replaced !== undefined) this.#finish(replaced);
    const queued: Queued = { broadcast, order: this.#order++, transmits: 0 };
    if (subject !== undefined) this.#subjects.set(subject, queued);
    this.#insert(queued);
    if (this.#queue.length <= lengthMax) return true;
    this.#finish(this.#queue.at(-1) as Queued);
    return false;
  }

  /** Parts for one packet that together with `overheadBytes` each take at most `bytesMax`. */
  take(bytesMax: number, overheadBytes: number, transmitsLimit: number): Uint8Array[] {
    const taken: Queued[] = [];
    let left = bytesMax;
    for (let at = 0; at < this.#queue.length && left > overheadBytes;) {
      const queued = this.#queue[at] as Queued;
      const bytes = queued.broadcast.bytes.length + overheadBytes;
      if (bytes > left) {
        at += 1;
        continue;
      }
      left -= bytes;
      this.#queue.splice(at, 1);
      taken.push(queued);
    }
    for (const queued of taken) {
      queued.transmits += 1;
      if (queued.transmits < transmitsLimit) this.#insert(queued);
      else this.#forget(queued);
    }
    return taken.map(({ broadcast }) => broadcast.bytes);
  }

  #insert(queued: Queued): void {
    this.#queue.splice(this.#placeOf(queued), 0, queued);
  }

  /** Where it stands, or would: no two are equal. */
  #placeOf(queued: Queued): number {
    let low = 0;
    for (let high = this.#queue.length; low < high;) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#queue[middle] as Queued, queued)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #finish(queued: Queued): void {
    const place = this.#placeOf(queued);
    // One that is being sent just now stands nowhere.
    if (this.#queue[place] === queued) this.#queue.splice(place, 1);
    this.#forget(queued);
  }

  #forget({ broadcast }: Queued): void {
    if (broadcast.subject !== undefined) this.#subjects.delete(broadcast.subject);
    broadcast.onFinished?.();
  }
}
