/**
 * Comparison in meaning: log lines go, but for six events which are compared per replica; of the rest
 * every line must be one that the grammar of the files knows, and all must be equal, in order.
 */
const LOG_LINE = /^\s*(DEBUG|INFO|WARN|ERROR|FATAL) (.*)$/;

/** The first group names the replica, where there is one. */
const EVENTS: readonly RegExp[] = [
  /^(\d+) became (?:follower|candidate|pre-candidate|leader) at term \d+$/,
  /^(\d+) switched to configuration voters=.*$/,
  /^initiating automatic transition out of joint configuration voters=.*$/,
  /^(\d+) is unpromotable and can not campaign$/,
  /^(\d+) stepped down to follower since quorum is not active$/,
  /^ignoring MsgForgetLeader due to ReadOnlyLeaseBased$/,
];

const ENTRY = String.raw`\d+/\d+ Entry(?:Normal ".*"|ConfChange(?:V2)?(?: [vlru]\d+)*)`;
const TARGET = "(?:[0-9a-f]+|None|AppendThread|ApplyThread)";
const MESSAGE =
  `${TARGET}->${TARGET} Msg[A-Za-z]+ Term:\\d+ Log:\\d+/\\d+(?: Rejected \\(Hint: \\d+\\))?` +
  `(?: Commit:\\d+)?(?: Vote:\\d+)?(?: Entries:\\[(?:${ENTRY}\\])?)?(?: Responses:\\[)?`;
const CONFIGURATION =
  String.raw`Voters:\[[\d ]*\] VotersOutgoing:\[[\d ]*\] Learners:\[[\d ]*\] ` +
  String.raw`LearnersNext:\[[\d ]*\] AutoLeave:(?:true|false)`;
const SNAPSHOT = String.raw`Index:\d+ Term:\d+ ConfState:${CONFIGURATION}`;
const VOTERS = String.raw`voters=\([\d ]*\)(?:&&\([\d ]*\))?(?: learners(?:_next)?=\([\d ]*\))*(?: autoleave)?`;

/** Every line that means something. */
const GRAMMAR: readonly RegExp[] = [
  String.raw`> \d+ (?:handling Ready|receiving messages|processing (?:append|apply) thread)`,
  "Ready MustSync=(?:true|false):",
  "<empty Ready>",
  String.raw`Lead:\d+ State:State[A-Za-z]+`,
  String.raw`HardState Term:\d+(?: Vote:\d+)? Commit:\d+`,
  "(?:Entries|CommittedEntries|Messages|Processing|Responses):",
  `Snapshot:? ${SNAPSHOT}`,
  ENTRY,
  `(?:dropped: )?${MESSAGE}`,
  String.raw`\](?: Responses:\[)?`,
  String.raw`\d+: State(?:Probe|Replicate|Snapshot) match=\d+ next=\d+[ a-zA-Z=\d[\]]*`,
  String.raw`\d+: State[A-Za-z]+ \((?:Voter|Non-Voter)\) Term:\d+ Lead:\d+`,
  "no messages",
  "no (?:append|apply) work to perform",
  String.raw`log is empty: first index=\d+, last index=\d+`,
  "raft proposal dropped",
  "raft: cannot step as peer not found",
  VOTERS,
].map((pattern) => new RegExp(`^\\s*${pattern}$`));

export interface Meaning {
  readonly lines: readonly string[];
  /** Per replica, in order; key 0: those that name none. */
  readonly events: ReadonlyMap<number, readonly string[]>;
}

export function meaningOf(text: string): Meaning {
  const lines: string[] = [];
  const events = new Map<number, string[]>();
  for (const line of text.split("\n").map((raw) => raw.trimEnd())) {
    if (line === "" || line === "ok") continue;
    const log = LOG_LINE.exec(line)?.[2];
    if (log === undefined) {
      lines.push(line);
      continue;
    }
    const event = EVENTS.map((pattern) => pattern.exec(log)).find((match) => match !== null);
    if (event === undefined) continue;
    const id = Number(event[1] ?? 0);
    events.set(id, [...(events.get(id) ?? []), log]);
  }
  return { lines, events };
}

/** What differs, in words; empty when nothing does. */
export function differences(expected: string, actual: string): string[] {
  const wanted = meaningOf(expected);
  const got = meaningOf(actual);
  const found = [...wanted.lines, ...got.lines]
    .filter((line) => !GRAMMAR.some((pattern) => pattern.test(line)))
    .map((line) => `not understood: ${line}`);
  found.push(...compareLists("line", wanted.lines, got.lines));
  for (const id of new Set([...wanted.events.keys(), ...got.events.keys()])) {
    found.push(...compareLists("event", wanted.events.get(id) ?? [], got.events.get(id) ?? []));
  }
  return found;
}

function compareLists(what: string, wanted: readonly string[], got: readonly string[]): string[] {
  const at = Array.from({ length: Math.max(wanted.length, got.length) }).findIndex(
    (_, place) => wanted[place] !== got[place],
  );
  if (at < 0) return [];
  return [`${what} ${at + 1}: expected "${wanted[at] ?? "(end)"}", got "${got[at] ?? "(end)"}"`];
}
