import { ProglogError } from "./errors.ts";

/** One replica as the log's configuration knows it: an id that is never reused, and a stable name. */
export interface ConfigurationMember {
  /** 53 random bits, made with the data directory. */
  readonly replicaId: number;
  /** `--node-name`: a DNS label. */
  readonly name: string;
}

/**
 * Who takes part in Raft. While a change runs, `votersOutgoing` holds the voters of the old side
 * (joint consensus, Ongaro's thesis 4.3); otherwise it is empty.
 */
export interface Configuration {
  readonly voters: readonly ConfigurationMember[];
  readonly votersOutgoing: readonly ConfigurationMember[];
  readonly learners: readonly ConfigurationMember[];
  /** Voters of the old side that become learners when the change ends. */
  readonly learnersNext: readonly ConfigurationMember[];
  /** The leader ends the change by itself. */
  readonly autoLeave: boolean;
}

/** A configuration of one voter: what a single server starts with. */
export function soleVoter(member: ConfigurationMember): Configuration {
  return {
    voters: [member],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
}

/** What a replica knows that waits to be taken into a cluster, or that has lost everything. */
export const NOBODY: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Everybody who takes part, in whatever way; each once. */
export function membersOf(configuration: Configuration): ConfigurationMember[] {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  const all = [...voters, ...votersOutgoing, ...learners, ...learnersNext];
  return [...new Map(all.map((member) => [member.replicaId, member])).values()];
}

/** Stored as JSON in UTF-8: it changes rarely, and a person with a hex dump can read it. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(configuration));
}

const GROUPS = ["voters", "votersOutgoing", "learners", "learnersNext"] as const;

/** The inverse; throws `UNSUPPORTED_FORMAT` on anything else. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ProglogError("UNSUPPORTED_FORMAT", "a configuration is not JSON", { cause });
  }
  const record = value as Record<string, unknown> | null;
  const valid =
    typeof record === "object" &&
    record !== null &&
    typeof record["autoLeave"] === "boolean" &&
    GROUPS.every((group) => isMemberList(record[group]));
  if (!valid) throw new ProglogError("UNSUPPORTED_FORMAT", "a configuration has an unknown shape");
  // Nothing but these: an entry that changes the configuration has more in the same object.
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = value as Configuration;
  return { voters, votersOutgoing, learners, learnersNext, autoLeave };
}

function isMemberList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((member: unknown) => {
      const { replicaId, name } = (member ?? {}) as Record<string, unknown>;
      return Number.isSafeInteger(replicaId) && typeof name === "string" && name !== "";
    })
  );
}
