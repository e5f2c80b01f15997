import { decodeConfiguration, getU32 } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import { decodeLogStart } from "./log-start.ts";
import type { LogStart } from "./log-start.ts";

/** What control entries have decided up to some index. Part of every `.side`. */
export interface Control {
  readonly configuration: Configuration;
  readonly configurationIndex: number;
  readonly featureLevel: number;
  readonly logStart: LogStart;
}

/** The control state alone, of a `.side` that holds more. */
export function controlOf(side: Control): Control {
  const { configuration, configurationIndex, featureLevel, logStart } = side;
  return { configuration, configurationIndex, featureLevel, logStart };
}

/** The control state after one more entry. */
export function controlAfter(control: Control, entry: Entry): Control {
  switch (entry.type) {
    case ENTRY_TYPE.configuration:
      return {
        ...control,
        configuration: decodeConfiguration(entry.payload),
        configurationIndex: entry.index,
      };
    case ENTRY_TYPE.logStart:
      return { ...control, logStart: decodeLogStart(entry.payload) };
    case ENTRY_TYPE.featureLevel:
      return { ...control, featureLevel: getU32(entry.payload, 0) };
    case ENTRY_TYPE.records:
    case ENTRY_TYPE.noop:
    case ENTRY_TYPE.producerCreated:
    case ENTRY_TYPE.fence:
      return control;
  }
}

/**
 * State that an owner above the log derives from its entries, such as the table of idempotent
 * producers. The log drives it: restored from a `.side`, then given every entry in order, and taken
 * back the same way when entries are cut off.
 */
export interface SideState {
  /** In the order of indexes, at append and at replay. */
  apply(entry: Entry): void;
  /** The state after the last applied entry. */
  encode(): Uint8Array;
  /** Back to an encoded state; no bytes is the initial one. */
  restore(bytes: Uint8Array): void;
}

/** For a log without an owner above it. */
export const noSideState: SideState = {
  apply: () => undefined,
  encode: () => new Uint8Array(0),
  restore: () => undefined,
};
