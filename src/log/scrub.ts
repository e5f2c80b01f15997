import { limits } from "../base/index.ts";
import type { ResolvedLogOptions } from "./options.ts";
import type { Cursor, DamagedRange } from "./scan.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Segment } from "./segment.ts";

interface Progress {
  readonly segment: Segment;
  position: number;
  cursor: Cursor;
  readonly damage: DamagedRange[];
}

/**
 * Reads the sealed segments over and over at a bounded rate, so that damage is found while there
 * still is another copy, and not when the record is asked for.
 */
export class Scrub {
  readonly #options: ResolvedLogOptions;
  readonly #segments: SegmentList;
  readonly #stop = new AbortController();
  #at: Progress | undefined;
  #cancelTimer: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ResolvedLogOptions, segments: SegmentList) {
    this.#options = options;
    this.#segments = segments;
  }

  start(): void {
    if (this.#options.scrubBytesPerSecond > 0) this.#after(limits.scrubStepMs);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelTimer?.();
    await this.#running;
  }

  /** Checks the next piece; true when that was the end of a round over all sealed segments. */
  async step(bytes: number): Promise<boolean> {
    const at = (this.#at ??= this.#firstFrom(0));
    if (at === undefined) return true;
    const until = at.position + bytes;
    let position = at.position;
    const result = await at.segment.scan({
      position: at.position,
      cursor: at.cursor,
      chunkBytes: Math.min(bytes, limits.scanChunkBytes),
      enough: () => position >= until,
      onEntry: (_, entryPosition, frameBytes) => {
        position = entryPosition + frameBytes;
        return undefined;
      },
      onDamage: (range) => this.#report(at, range),
      signal: this.#stop.signal,
    });
    at.position = result.endPosition;
    at.cursor = result.cursor;
    if (at.position < at.segment.sizeBytes && result.tornBytes > 0 && position >= until)
      return false;
    if (at.damage.length > 0) at.segment.noteDamage(at.damage);
    this.#at = this.#firstFrom(at.segment.firstIndex + 1);
    return this.#at === undefined;
  }

  #report(at: Progress, range: DamagedRange): void {
    at.damage.push(range);
    this.#options.observer.count("log_scrub_damaged_ranges_total");
    this.#options.observer.log("error", "log.scrub-found-damage", {
      file: at.segment.path("log"),
      position: range.position,
      fromOffset: range.fromOffset,
      toOffset: range.toOffset,
    });
  }

  #firstFrom(index: number): Progress | undefined {
    const sealed = this.#segments.all.slice(0, -1);
    const segment = sealed.find((each) => each.firstIndex >= index);
    return segment && { segment, position: 0, cursor: segment.start, damage: [] };
  }

  #after(ms: number): void {
    if (this.#stop.signal.aborted) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#running = this.#turn();
    });
  }

  async #turn(): Promise<void> {
    const bytes = (this.#options.scrubBytesPerSecond * limits.scrubStepMs) / 1000;
    let isRoundOver = true;
    try {
      isRoundOver = await this.step(bytes);
      this.#options.observer.count("log_scrub_bytes_total", bytes);
    } catch (error) {
      this.#at = undefined;
      if (this.#stop.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.observer.log("warn", "log.scrub-stopped", { reason });
    }
    this.#after(isRoundOver ? limits.scrubPauseMs : limits.scrubStepMs);
  }
}
