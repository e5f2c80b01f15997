interface Server {
  readonly cpuSeconds: number;
}

/**
 * Adds up what work costs both processes, so that a note can say which of them holds a row back, and
 * what would be left on a machine with nothing else to do.
 */
export class Usage {
  readonly #server: Server;
  #clientSeconds = 0;
  #serverSeconds = 0;
  #records = 0;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Runs the work, of so many records; answers with records per second. */
  async rate(records: number, work: () => Promise<unknown>): Promise<number> {
    const client = process.cpuUsage();
    const server = this.#server.cpuSeconds;
    const startMs = performance.now();
    await work();
    const seconds = (performance.now() - startMs) / 1000;
    const { user, system } = process.cpuUsage(client);
    this.#clientSeconds += (user + system) / 1e6;
    this.#serverSeconds += this.#server.cpuSeconds - server;
    this.#records += records;
    return records / seconds;
  }

  /** Processor time a record, of the process that calls and of the one that answers. */
  toString(): string {
    const micros = (seconds: number): string => ((seconds / this.#records) * 1e6).toPrecision(2);
    return `${micros(this.#clientSeconds)} + ${micros(this.#serverSeconds)} us`;
  }
}

/** For a note: both sides of a row. */
export function usageNote(ours: Usage, echo: Usage): string {
  return `processor time a record, client + server: ${String(ours)}, echo ${String(echo)}`;
}
