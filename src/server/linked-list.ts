/**
 * A member of at most one list at a time. Tens of thousands of waiting streams move between lists
 * with every commit, and leave from anywhere: the links are in the members, so that neither costs a
 * search or an allocation.
 */
export class Linked {
  #previous: Linked = this;
  #next: Linked = this;

  /** The following member, or the list itself at its end. */
  get next(): Linked {
    return this.#next;
  }

  get linked(): boolean {
    return this.#next !== this;
  }

  /** Leaves its list, if it is in one. */
  unlink(): void {
    this.#previous.#next = this.#next;
    this.#next.#previous = this.#previous;
    this.#previous = this;
    this.#next = this;
  }

  /** Enters just before `other`, and so at the end of the list when that is the list itself. */
  protected linkBefore(other: Linked): void {
    this.unlink();
    this.#previous = other.#previous;
    this.#next = other;
    other.#previous.#next = this;
    other.#previous = this;
  }

  /** Puts all members that follow this one in its ring before `other`; this one is then alone. */
  protected spliceBefore(other: Linked): void {
    if (this.#next === this) return;
    const first = this.#next;
    const last = this.#previous;
    first.#previous = other.#previous;
    other.#previous.#next = first;
    last.#next = other;
    other.#previous = last;
    this.#previous = this;
    this.#next = this;
  }

  protected static enter(member: Linked, list: Linked): void {
    member.linkBefore(list);
  }
}

/** First in, first out, with O(1) removal from anywhere (`member.unlink()`). */
export class LinkedList<T extends Linked> extends Linked {
  get empty(): boolean {
    return !this.linked;
  }

  /** Appends a member, which leaves the list that it was in. */
  push(member: T): void {
    Linked.enter(member, this);
  }

  /** Takes the first member out. */
  shift(): T | undefined {
    if (this.empty) return undefined;
    const first = this.next as T;
    first.unlink();
    return first;
  }

  /** Moves all members of another list to the end of this one, in O(1). */
  takeAll(other: LinkedList<T>): void {
    other.spliceBefore(this);
  }
}
