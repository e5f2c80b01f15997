/** What a part tells about itself. The port through which logs and metrics leave the inner layers. */
export type LogLevel = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * What tells the series of one metric apart: few names, each with few values, never something that
 * a client chooses. Keep the object and give the same one each time: then it is found without
 * looking at what is in it.
 */
export type Labels = Readonly<Record<string, string>>;

/**
 * A metric begins to be when it is first told of; nobody has to be asked before. Its name ends in
 * its unit (`_seconds`, `_bytes`), a counter's in `_total`; `proglog_` is put before it outside.
 */
export interface Observer {
  /** One line, one event: `event` is a stable name, `fields` are its facts. */
  log(level: LogLevel, event: string, fields?: Fields): void;
  /** Adds to a counter. Names end in `_total`. */
  count(name: string, by?: number, labels?: Labels): void;
  /** Sets a gauge; undefined takes the series away, when what it was about is gone. */
  gauge(name: string, value: number | undefined, labels?: Labels): void;
  /** Adds one measurement to a distribution. */
  measure(name: string, value: number, labels?: Labels): void;
}

export const silentObserver: Observer = {
  log: () => undefined,
  count: () => undefined,
  gauge: () => undefined,
  measure: () => undefined,
};

/** Labels of one name, the same object for the same value: for values of a small, fixed set. */
export function labelsBy(name: string): (value: string) => Labels {
  const known = new Map<string, Labels>();
  return (value) => {
    let labels = known.get(value);
    if (labels === undefined) {
      labels = { [name]: value };
      known.set(value, labels);
    }
    return labels;
  };
}
