/** The commands of `interaction/*.txt`. */
import type {
  ConfigurationChange,
  ConfigurationOperation,
  ProposeResult,
  Snapshot,
} from "../../src/raft/index.ts";
import type { Argument, Directive } from "./datadriven.ts";
import type { Environment } from "./environment.ts";
import { type Recipient, type TestOptions } from "./environment.ts";
import { formatEntry, formatMessage, formatProgress, formatRole } from "./format.ts";

export const ELECTION_TICKS = 3;
const HEARTBEAT_TICKS = 1;

type Command = (environment: Environment, directive: Directive) => void;

/** What a directive of an interaction file prints. */
export function runInteraction(environment: Environment, directive: Directive): string {
  const { output } = environment;
  let error: string | undefined;
  try {
    const command = COMMANDS[directive.command];
    if (command === undefined) throw new Error(`unknown command ${directive.command}`);
    command(environment, directive);
  } catch (caught) {
    error = caught instanceof Error ? caught.message : String(caught);
  }
  if (output.isQuiet) {
    output.take();
    return error ?? "ok";
  }
  const text = output.take() + (error ?? "");
  return text === "" ? "ok" : text;
}

function bareIds({ args }: Directive): number[] {
  return args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key));
}

function firstId(directive: Directive): number {
  return Number(directive.args[0]?.key);
}

function valueOf({ args }: Directive, key: string): string | undefined {
  return args.find((arg) => arg.key === key)?.values[0];
}

const COMMANDS: Readonly<Record<string, Command>> = {
  _breakpoint: () => undefined,
  "add-nodes": addNodes,
  campaign: (environment, directive) => {
    environment.replica(firstId(directive)).raft.campaign();
  },
  compact: (environment, directive) => {
    const [id = 0, index = 0] = bareIds(directive);
    if (!environment.replica(id).storage.compact(index)) {
      throw new Error("requested index is unavailable due to compaction");
    }
    raftLog(environment, id);
  },
  "deliver-msgs": (environment, directive) => {
    const recipients: Recipient[] = bareIds(directive).map((id) => ({ id, drop: false }));
    for (const { key, values } of directive.args) {
      if (key === "drop") recipients.push(...values.map((id) => ({ id: Number(id), drop: true })));
    }
    if (environment.deliver(recipients, valueOf(directive, "type")) === 0) {
      environment.output.write("no messages");
    }
  },
  "forget-leader": (environment, directive) => {
    environment.replica(firstId(directive)).raft.forgetLeader();
  },
  "log-level": ({ output }, { args }) => {
    output.setLevel(args[0]?.key ?? "");
  },
  "process-append-thread": (environment, directive) =>
    forEach(environment, directive, "processing append thread", (id) => {
      environment.processAppend(id);
    }),
  "process-apply-thread": (environment, directive) =>
    forEach(environment, directive, "processing apply thread", (id) => {
      environment.processApply(id);
    }),
  "process-ready": (environment, directive) =>
    forEach(environment, directive, "handling Ready", (id) => {
      environment.processReady(id);
    }),
  propose: (environment, directive) => {
    const payload = directive.args[1]?.key ?? "";
    const { raft } = environment.replica(firstId(directive));
    throwDropped(raft.propose([{ payload, sizeBytes: payload.length }]));
  },
  "propose-conf-change": (environment, directive) => {
    const change = parseChange(directive);
    const { raft } = environment.replica(firstId(directive));
    throwDropped(raft.proposeConfiguration(change, 4 * change.operations.length));
  },
  "raft-log": (environment, directive) => {
    raftLog(environment, firstId(directive));
  },
  "raft-state": (environment) => {
    for (const { raft } of environment.replicas) {
      const { voters, votersOutgoing } = raft.configuration;
      const votes = [...voters, ...votersOutgoing].some(({ replicaId }) => replicaId === raft.id);
      environment.output.write(
        `${raft.id}: ${formatRole(raft.role)} (${votes ? "Voter" : "Non-Voter"})` +
          ` Term:${raft.term} Lead:${raft.leader}`,
      );
    }
  },
  "report-unreachable": (environment, directive) => {
    const [id = 0, peer = 0] = bareIds(directive);
    environment.replica(id).raft.reportUnreachable(peer);
  },
  "send-snapshot": (environment, directive) => {
    const [from = 0, to = 0] = bareIds(directive);
    const { raft, storage } = environment.replica(from);
    const snapshot = storage.snapshot();
    if (snapshot === undefined) throw new Error("no snapshot");
    const message = { kind: "installSnapshot", from, to, term: raft.term, snapshot } as const;
    environment.messages.push(message);
    environment.output.write(formatMessage(message));
  },
  "set-randomized-election-timeout": (environment, directive) => {
    const timeout = Number(valueOf(directive, "timeout"));
    environment.replica(firstId(directive)).raft.setElectionTimeout(timeout);
  },
  stabilize: (environment, directive) => {
    const { output } = environment;
    const { level } = output;
    const during = valueOf(directive, "log-level");
    if (during !== undefined) output.setLevel(during);
    const ids = bareIds(directive);
    environment.stabilize(ids.length > 0 ? ids : environment.replicas.map(({ raft }) => raft.id));
    // What was written under another level is kept, as far as that level let it through.
    output.level = level;
  },
  status: (environment, directive) => {
    const { raft } = environment.replica(firstId(directive));
    const learners = new Set(raft.configuration.learners.map(({ replicaId }) => replicaId));
    for (const [id, progress] of raft.progress) {
      environment.output.write(formatProgress(id, progress, learners.has(id)));
    }
  },
  "tick-election": (environment, directive) => {
    tick(environment, firstId(directive), ELECTION_TICKS);
  },
  "tick-heartbeat": (environment, directive) => {
    tick(environment, firstId(directive), HEARTBEAT_TICKS);
  },
  "transfer-leadership": (environment, directive) => {
    const from = environment.replica(Number(valueOf(directive, "from")));
    from.raft.transferLeadership(Number(valueOf(directive, "to")));
  },
};

function tick(environment: Environment, id: number, count: number): void {
  for (let at = 0; at < count; at++) environment.replica(id).raft.tick();
}

function throwDropped(result: ProposeResult): void {
  if (result.kind !== "refused") return;
  const { reason } = result;
  // A change that may not be is replaced by an empty entry, which is no error there.
  if (["unappliedChange", "alreadyJoint", "notJoint", "badConfiguration"].includes(reason)) return;
  throw new Error("raft proposal dropped");
}

function forEach(
  { output }: Environment,
  directive: Directive,
  title: string,
  act: (id: number) => void,
): void {
  const ids = bareIds(directive);
  for (const id of ids) {
    if (ids.length === 1) {
      act(id);
    } else {
      output.write(`> ${id} ${title}`);
      output.indented(() => act(id));
    }
  }
}

function raftLog(environment: Environment, id: number): void {
  const { output } = environment;
  const { storage } = environment.replica(id);
  const first = storage.firstIndex();
  const last = storage.lastIndex();
  if (first > last) {
    output.write(`log is empty: first index=${first}, last index=${last}`);
    return;
  }
  const entries = storage.entries(first, last + 1, Number.MAX_SAFE_INTEGER);
  if (typeof entries === "string") throw new Error(entries);
  for (const entry of entries) output.write(formatEntry(entry));
}

const OPERATIONS: Readonly<Record<string, ConfigurationOperation["kind"]>> = {
  v: "addVoter",
  l: "addLearner",
  r: "remove",
  u: "update",
};

export function parseOperations(input: string): ConfigurationOperation[] {
  return input
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const kind = OPERATIONS[word.charAt(0)];
      if (kind === undefined) throw new Error(`unknown operation ${word}`);
      const replicaId = Number(word.slice(1));
      return { kind, member: { replicaId, name: String(replicaId) } };
    });
}

function parseChange(directive: Directive): ConfigurationChange {
  const operations = parseOperations(directive.input);
  const transition = valueOf(directive, "transition") ?? "auto";
  if (transition !== "auto" && transition !== "implicit" && transition !== "explicit") {
    throw new Error(`unknown transition ${transition}`);
  }
  const version = valueOf(directive, "v1") === "true" ? 1 : 2;
  if (version === 1 && (operations.length !== 1 || transition !== "auto")) {
    throw new Error("a change of version 1 has one operation, and no transition");
  }
  return { version, transition, operations };
}

function members(values: readonly string[]): { replicaId: number; name: string }[] {
  return values.map((value) => ({ replicaId: Number(value), name: value }));
}

function addNodes(environment: Environment, directive: Directive): void {
  let boot: Snapshot = {
    index: 0,
    term: 1,
    configuration: {
      voters: [],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    },
    data: "",
  };
  let options: TestOptions = {
    electionTimeoutTicks: ELECTION_TICKS,
    heartbeatTicks: HEARTBEAT_TICKS,
    inflightMessagesMax: 2 ** 31 - 1,
  };
  let isBooted = false;
  for (const { key, values } of directive.args.slice(1)) {
    const value = values[0] ?? "";
    const { configuration } = boot;
    if (["voters", "learners", "index", "content"].includes(key)) isBooted = true;
    if (key === "voters")
      boot = { ...boot, configuration: { ...configuration, voters: members(values) } };
    else if (key === "learners") {
      boot = { ...boot, configuration: { ...configuration, learners: members(values) } };
    } else if (key === "index") boot = { ...boot, index: Number(value) };
    else if (key === "content") boot = { ...boot, data: value };
    else options = { ...options, ...parseOption({ key, values }) };
  }
  if (isBooted && boot.index <= 1) {
    throw new Error("index must be specified as > 1 due to bootstrap");
  }
  if (isBooted) options = { ...options, applied: boot.index };
  environment.add(Number(directive.args[0]?.key), options, isBooted ? boot : undefined);
}

function parseOption({ key, values }: Argument): Partial<TestOptions> {
  const value = values[0] ?? "";
  switch (key) {
    case "inflight":
      return { inflightMessagesMax: Number(value) };
    case "async-storage-writes":
      return { asynchronousStorage: value === "true" };
    case "prevote":
      return { preVote: value === "true" };
    case "checkquorum":
      return { checkQuorum: value === "true" };
    case "max-committed-size-per-ready":
      return { committedBytesMax: Number(value) };
    case "disable-conf-change-validation":
      return { validateConfigurationChanges: value !== "true" };
    case "read-only":
      return { reads: value === "lease-based" ? "lease" : "safe" };
    case "step-down-on-removal":
      return { stepDownOnRemoval: value === "true" };
    default:
      throw new Error(`unknown option ${key}`);
  }
}
