import assert from "node:assert/strict";
import type { Client } from "../../../src/client/index.ts";

/**
 * What a server promised, written down outside of it, and the comparison with what it has. Each value
 * is sent once, so that a second one is a duplicate.
 */
export class Journal {
  acknowledged = 0;
  unanswered = 0;
  refused = 0;
  /** The value at each acknowledged offset. */
  readonly #promised: (string | undefined)[] = [];
  /** Values of which the server said that they are not in the log. */
  readonly #refused = new Set<string>();
  /** What readers saw at each offset, and where each value is. */
  readonly #seen: string[] = [];
  readonly #offsets = new Map<string, number>();

  /** The server said that the value is durable at this offset. */
  promise(offset: number, value: string): void {
    assert.equal(this.#promised[offset], undefined, `offset ${offset} was given twice`);
    this.#promised[offset] = value;
    this.acknowledged++;
  }

  /** The server said, or did not say, what became of the value. */
  noPromise(value: string, isRefused: boolean): void {
    if (isRefused) {
      this.#refused.add(value);
      this.refused++;
    } else {
      this.unanswered++;
    }
  }

  /** Records that were seen in the log. */
  get count(): number {
    return this.#seen.length;
  }

  offsetOf(value: string): number | undefined {
    return this.#offsets.get(value);
  }

  /** Compares the log with the journal, from the last comparison on or from the start. */
  async compare(client: Client, extent: "new" | "all"): Promise<void> {
    const { lowest, next } = await client.offsets();
    assert.equal(lowest, 0, "nothing was removed");
    assert.ok(next >= this.#promised.length, `next is ${next}, ${this.#promised.length} promised`);
    let offset = extent === "all" ? 0 : this.#seen.length;
    const limit = next - offset;
    if (limit > 0) {
      for await (const record of client.records({ from: offset, limit })) {
        assert.equal(record.offset, offset, "offsets are dense");
        this.#see(offset++, Buffer.from(record.value ?? []).toString());
      }
    }
    assert.ok(offset >= next, "every record was read");
  }

  #see(offset: number, value: string): void {
    assert.equal(value, this.#promised[offset] ?? value, `what was promised at ${offset}`);
    assert.equal(value, this.#seen[offset] ?? value, `what was read before at ${offset}`);
    assert.equal(this.#refused.has(value), false, `${value} was refused, and is at ${offset}`);
    const at = this.#offsets.get(value) ?? offset;
    assert.equal(at, offset, `${value} is at ${at} and at ${offset}`);
    this.#seen[offset] = value;
    this.#offsets.set(value, offset);
  }
}
