import type { Observer } from "../base/index.ts";

/** A distribution, as far as Prometheus needs it for rates and means. */
interface Distribution {
  count: number;
  sum: number;
}

/**
 * Keeps what the parts count and measure, and shows it in Prometheus' text format. Events go on to
 * another observer.
 */
export class Metrics implements Observer {
  readonly #next: Observer;
  readonly #counters = new Map<string, number>();
  readonly #gauges = new Map<string, number>();
  readonly #distributions = new Map<string, Distribution>();

  constructor(next: Observer) {
    this.#next = next;
  }

  readonly log: Observer["log"] = (level, event, fields) => this.#next.log(level, event, fields);

  readonly count = (name: string, by = 1): void => {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
    this.#next.count(name, by);
  };

  readonly gauge = (name: string, value: number): void => {
    this.#gauges.set(name, value);
    this.#next.gauge(name, value);
  };

  readonly measure = (name: string, value: number): void => {
    let distribution = this.#distributions.get(name);
    if (distribution === undefined) {
      distribution = { count: 0, sum: 0 };
      this.#distributions.set(name, distribution);
    }
    distribution.count += 1;
    distribution.sum += value;
    this.#next.measure(name, value);
  };

  /** Everything now, and gauges that are only known when they are asked for. */
  render(gauges: Readonly<Record<string, number>>): string {
    const lines: string[] = [];
    for (const [name, value] of this.#counters) show(lines, name, "counter", { "": value });
    for (const [name, value] of [...this.#gauges, ...Object.entries(gauges)]) {
      show(lines, name, "gauge", { "": value });
    }
    for (const [name, { count, sum }] of this.#distributions) {
      show(lines, name, "summary", { _count: count, _sum: sum });
    }
    return lines.join("");
  }
}

/** Source: Prometheus, "Exposition formats", text format 0.0.4. */
function show(
  lines: string[],
  name: string,
  type: string,
  values: Readonly<Record<string, number>>,
): void {
  const full = `proglog_${name.replace(/[^A-Za-z0-9_]/g, "_")}`;
  lines.push(`# TYPE ${full} ${type}\n`);
  for (const [suffix, value] of Object.entries(values)) lines.push(`${full}${suffix} ${value}\n`);
}
