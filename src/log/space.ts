import { limits, ProglogError } from "../base/index.ts";
import type { ResolvedLogOptions } from "./options.ts";

/**
 * Watches the free space, so that a full disk is met before it is full: new data is refused below a
 * reserve, reading goes on, and writing resumes by itself when there is room again.
 */
export class SpaceGuard {
  readonly #options: ResolvedLogOptions;
  readonly reserveBytes: number;
  #freeBytes = Number.POSITIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** Since the disk was asked. */
  #takenBytes = 0;
  #asking: Promise<void> | undefined;
  #isShort = false;

  constructor(options: ResolvedLogOptions) {
    this.#options = options;
    this.reserveBytes = Math.max(options.freeBytesMin, options.segmentBytesMax);
  }

  /** What the disk said last, less what was taken since. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /**
   * Bytes that will be written: they count at once, for between two looks at the disk a fast writer
   * would eat up the whole reserve.
   */
  take(bytes: number): void {
    this.#freeBytes -= bytes;
    this.#takenBytes += bytes;
    // Others fill the disk, too.
    if (this.#takenBytes >= limits.freeBytesCheckBytes) void this.refresh();
  }

  /** Why nothing new may be appended, or undefined. Asks the disk in the background when it is time. */
  admission(): ProglogError | undefined {
    const now = this.#options.clock.monotonic();
    if (now - this.#askedAt >= limits.freeBytesCheckIntervalMs) void this.refresh();
    if (this.#freeBytes >= this.reserveBytes) return undefined;
    return new ProglogError(
      "RESOURCE_EXHAUSTED",
      `the disk is nearly full: ${this.#freeBytes} bytes free, ${this.reserveBytes} are kept in reserve`,
      { notAppended: true, details: { free_bytes: String(this.#freeBytes) } },
    );
  }

  refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    this.#askedAt = this.#options.clock.monotonic();
    this.#takenBytes = 0;
    try {
      this.#freeBytes = await this.#options.disk.free(this.#options.directory);
      this.#tell();
    } catch (error) {
      // Not knowing is no reason to refuse: a full disk still answers for itself when written to.
      this.#freeBytes = Number.POSITIVE_INFINITY;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.observer.log("warn", "log.free-space-unknown", { reason });
    }
    this.#options.observer.gauge("log_free_bytes", this.#freeBytes);
  }

  /** Whoever operates is told once when room becomes short, and once when that is over. */
  #tell(): void {
    const isShort = this.#freeBytes < this.reserveBytes;
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    const fields = { free_bytes: this.#freeBytes, reserve_bytes: this.reserveBytes };
    if (isShort) this.#options.observer.log("warn", "log.disk-nearly-full", fields);
    else this.#options.observer.log("info", "log.disk-has-room", fields);
  }
}
