/** Another log that runs on this machine, through its own client for Node, as its users drive it. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** What its server promises when it acknowledges. */
  readonly durability: string;
  /** Appends these values one by one, `inFlight` unacknowledged at any time. */
  produce(values: Iterable<Buffer>, inFlight: number): Promise<void>;
  /** Reads `count` values from the start. */
  consume(count: number, onValue: (value: Uint8Array) => void): Promise<void>;
}

/** Runs `inFlight` callers side by side over the same values. */
export async function pooled(
  values: Iterable<Buffer>,
  inFlight: number,
  send: (value: Buffer) => Promise<unknown>,
): Promise<void> {
  const iterator = values[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      await send(next.value);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}
