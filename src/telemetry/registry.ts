import { limits } from "../base/index.ts";
import type { Labels } from "../base/index.ts";
import { definitionOf, DEFINITIONS } from "./catalogue.ts";
import type { Definition, MetricKind } from "./catalogue.ts";
import { Distribution } from "./distribution.ts";

/** The numbers of one metric under one set of labels. */
export interface Series {
  readonly labels: Labels;
  /** Of a counter or a gauge. */
  value: number;
  /** Of a distribution. */
  readonly distribution: Distribution | undefined;
}

export interface Metric {
  readonly definition: Definition;
  readonly series: readonly Series[];
}

const NO_LABELS: Labels = Object.freeze({});
/** Stands for the values that were too many. */
const OTHER = "other";

/**
 * Everything that was counted and measured, since the start. It is told of far more often than it is
 * asked, so telling costs two look-ups and an addition, and no allocation.
 */
export class Registry {
  readonly #metrics = new Map<string, SeriesOfMetric>();
  readonly #refreshers: (() => void)[] = [];

  constructor() {
    // A counter that nothing was added to yet is 0; a rate needs to see that.
    for (const { name, kind, labels } of DEFINITIONS) {
      if (kind !== "gauge" && labels === undefined) this.#metric(name, kind).at(NO_LABELS);
    }
  }

  readonly count = (name: string, by = 1, labels: Labels = NO_LABELS): void => {
    this.#metric(name, "counter").at(labels).value += by;
  };

  readonly gauge = (name: string, value: number | undefined, labels: Labels = NO_LABELS): void => {
    const metric = this.#metric(name, "gauge");
    if (value === undefined) metric.remove(labels);
    else metric.at(labels).value = value;
  };

  readonly measure = (name: string, value: number, labels: Labels = NO_LABELS): void => {
    this.#metric(name, "histogram").at(labels).distribution?.add(value);
  };

  /** Called before each look: sets the gauges that are only worth knowing then. */
  onCollect(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  /** By name, so that two looks can be compared. */
  collect(): Metric[] {
    for (const refresh of this.#refreshers) refresh();
    return [...this.#metrics.values()]
      .map(({ definition, all }) => ({ definition, series: all() }))
      .filter(({ series }) => series.length > 0)
      .sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
  }

  /** A name that was used for something else before stays what it was. */
  #metric(name: string, kind: MetricKind): SeriesOfMetric {
    const known = this.#metrics.get(name);
    if (known !== undefined) return known;
    const metric = new SeriesOfMetric(definitionOf(name, kind));
    this.#metrics.set(name, metric);
    return metric;
  }
}

class SeriesOfMetric {
  readonly definition: Definition;
  readonly #byLabels = new Map<Labels, Series>();
  readonly #byText = new Map<string, Series>();

  constructor(definition: Definition) {
    this.definition = definition;
  }

  at(labels: Labels): Series {
    return this.#byLabels.get(labels) ?? this.#find(labels);
  }

  remove(labels: Labels): void {
    const series = this.#byText.get(textOf(labels));
    if (series === undefined) return;
    this.#byText.delete(textOf(labels));
    for (const [known, at] of this.#byLabels) if (at === series) this.#byLabels.delete(known);
  }

  readonly all = (): readonly Series[] => [...this.#byText.values()];

  #find(labels: Labels): Series {
    const text = textOf(labels);
    let series = this.#byText.get(text);
    if (series === undefined && this.#byText.size >= limits.metricSeriesMax)
      return this.#rest(labels);
    if (series === undefined) {
      series = this.#make(labels);
      this.#byText.set(text, series);
    }
    // Whoever makes new objects all the time is found by their text.
    if (this.#byLabels.size < 2 * limits.metricSeriesMax) this.#byLabels.set(labels, series);
    return series;
  }

  /** One series for all that came too late. */
  #rest(labels: Labels): Series {
    const others = Object.fromEntries(Object.keys(labels).map((name) => [name, OTHER]));
    const text = textOf(others);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const series = this.#make(others);
    this.#byText.set(text, series);
    return series;
  }

  #make(labels: Labels): Series {
    const { bounds } = this.definition;
    const distribution = bounds === undefined ? undefined : new Distribution(bounds);
    return { labels: { ...labels }, value: 0, distribution };
  }
}

function textOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
