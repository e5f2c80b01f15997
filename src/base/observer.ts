/** What a part tells about itself. The port through which logs and metrics leave the inner layers. */
export type LogLevel = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Observer {
  /** One line, one event: `event` is a stable name, `fields` are its facts. */
  log(level: LogLevel, event: string, fields?: Fields): void;
  /** Adds to a counter. Names end in their unit or in `_total`. */
  count(name: string, by?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number): void;
  /** Adds one measurement to a distribution. */
  measure(name: string, value: number): void;
}

export const silentObserver: Observer = {
  log: () => undefined,
  count: () => undefined,
  gauge: () => undefined,
  measure: () => undefined,
};
