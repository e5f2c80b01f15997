import { silentObserver } from "../../src/base/index.ts";
import type { Fields, Observer } from "../../src/base/index.ts";

export interface HeardEvent {
  readonly event: string;
  readonly fields: Fields;
}

/** An observer that keeps what it is told, and can be waited for. */
export interface Heard {
  readonly observer: Observer;
  readonly events: readonly HeardEvent[];
  /** Resolves with the first event that fits, of those that were and of those to come. */
  readonly told: (event: string, fits?: (fields: Fields) => boolean) => Promise<HeardEvent>;
  /** From now on only what is to come counts. */
  readonly forget: () => void;
}

export function hearing(): Heard {
  const events: HeardEvent[] = [];
  let wake: (() => void)[] = [];
  const log = (_level: unknown, event: string, fields: Fields = {}): void => {
    events.push({ event, fields });
    const woken = wake;
    wake = [];
    for (const look of woken) look();
  };
  const told = async (name: string, fits?: (fields: Fields) => boolean): Promise<HeardEvent> => {
    for (;;) {
      const found = events.find(({ event, fields }) => event === name && fits?.(fields) !== false);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  };
  const forget = (): void => void events.splice(0);
  return { observer: { ...silentObserver, log }, events, told, forget };
}
