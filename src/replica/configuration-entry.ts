import { decodeConfiguration, encodeConfiguration, ProglogError } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import { changeConfiguration } from "../raft/index.ts";
import type { ConfigurationChange, ConfigurationOperation } from "../raft/index.ts";

/**
 * Payload of an entry of type `configuration`: JSON, the configuration that the change leads to, as
 * everywhere else, and the change itself in `change`. A replica whose log begins in the middle takes
 * the whole from the first; by the second the core knows who is new.
 */
export function encodeConfigurationEntry(
  change: ConfigurationChange,
  before: Configuration,
): Uint8Array {
  const { version, transition, operations } = change;
  const result = resultOf(before, change);
  return encodeConfiguration({
    ...result,
    change: { version, transition, operations },
  } as Configuration);
}

/** What a change makes of the configuration before it. */
export function resultOf(before: Configuration, change: ConfigurationChange): Configuration {
  if (change.configuration !== undefined) return change.configuration;
  const result = changeConfiguration(before, change);
  return result.kind === "changed" ? result.configuration : before;
}

const KINDS: ReadonlySet<unknown> = new Set(["addVoter", "addLearner", "remove", "update"]);
const TRANSITIONS: ReadonlySet<unknown> = new Set(["auto", "implicit", "explicit"]);

/** The change; throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeConfigurationEntry(payload: Uint8Array): ConfigurationChange {
  const change = parse(payload);
  const { version, transition, operations } = change;
  const valid =
    (version === 1 || version === 2) &&
    TRANSITIONS.has(transition) &&
    Array.isArray(operations) &&
    operations.every(isOperation);
  if (!valid) throw unknownShape();
  return {
    version,
    transition: transition as ConfigurationChange["transition"],
    operations: operations as readonly ConfigurationOperation[],
    configuration: decodeConfiguration(payload),
  };
}

function parse(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (cause) {
    throw unknownShape(cause);
  }
  const change = (value as { readonly change?: unknown } | null)?.change;
  if (typeof change !== "object" || change === null) throw unknownShape();
  return change as Record<string, unknown>;
}

function isOperation(operation: unknown): boolean {
  const { kind, member } = (operation ?? {}) as Record<string, unknown>;
  const { replicaId, name } = (member ?? {}) as Record<string, unknown>;
  return KINDS.has(kind) && Number.isSafeInteger(replicaId) && typeof name === "string";
}

function unknownShape(cause?: unknown): ProglogError {
  const message = "a configuration entry has an unknown shape";
  return new ProglogError("UNSUPPORTED_FORMAT", message, { cause });
}
