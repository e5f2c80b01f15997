import { limits, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Labels, Observer } from "../base/index.ts";
import type { Current } from "./reloaded.ts";
import type { TlsMaterial, TlsRole } from "./tls.ts";

const DAY_MS = 86_400_000;
const METRIC = "tls_certificate_not_after_timestamp_seconds";

export interface ExpiryOptions {
  readonly clock?: Clock | undefined;
  readonly observer?: Observer | undefined;
}

interface End {
  readonly labels: Labels;
  readonly endsAtMs: number;
}

/**
 * Tells when the certificates in use end: as a number, always, and in words once a day when less than
 * thirty days are left. Of several authorities the first to end counts.
 */
export class ExpiryWatch implements Disposable {
  readonly #name: string;
  readonly #files: Pick<Current<TlsMaterial>, "value">;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #unsubscribe: () => void;
  #cancel: (() => void) | undefined;

  constructor(role: TlsRole, files: Current<TlsMaterial>, options: ExpiryOptions) {
    this.#name = `${role}_tls`;
    this.#files = files;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? silentObserver;
    this.#unsubscribe = files.onChange(() => this.#look());
    this.#look();
  }

  close(): void {
    this.#unsubscribe();
    this.#cancel?.();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #look(): void {
    this.#cancel?.();
    for (const kind of ["certificate", "authority"]) {
      this.#observer.gauge(METRIC, undefined, { files: this.#name, kind });
    }
    for (const end of this.#ends()) this.#tell(end);
    this.#cancel = this.#clock.after(DAY_MS, () => this.#look());
  }

  #ends(): readonly End[] {
    const { certificate, authorities } = this.#files.value;
    const endOf = ({ validTo }: { readonly validTo: string }): number => Date.parse(validTo);
    const labels = (kind: string): Labels => ({ files: this.#name, kind });
    const own = { labels: labels("certificate"), endsAtMs: endOf(certificate) };
    if (authorities.length === 0) return [own];
    const endsAtMs = Math.min(...authorities.map(endOf));
    return [own, { labels: labels("authority"), endsAtMs }];
  }

  #tell({ labels, endsAtMs }: End): void {
    this.#observer.gauge(METRIC, endsAtMs / 1_000, labels);
    const leftMs = endsAtMs - this.#clock.now();
    if (leftMs >= limits.certificateEndsSoonMs) return;
    const level = leftMs < 0 ? "error" : "warn";
    this.#observer.log(level, `${this.#name}.ends-soon`, {
      kind: labels["kind"],
      not_after: new Date(endsAtMs).toISOString(),
      days_left: Math.floor(leftMs / DAY_MS),
    });
  }
}
