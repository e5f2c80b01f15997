import { ProglogError } from "../base/index.ts";
import { matchesExpression } from "../gossip/index.ts";
import type { KeyOperation, Member, Tags } from "../gossip/index.ts";
import { textOf } from "./gossip-msgpack.ts";
import type { Encodable, Fields, ValueMap } from "./gossip-msgpack.ts";
import { memberFields } from "./ipc-session.ts";
import type { IpcCommand, IpcSession } from "./ipc-session.ts";
import { follow, monitor, respond } from "./ipc-streams.ts";

const NS_PER_MS = 1_000_000;

type Run = IpcCommand["run"];
/** Of a request with a body, and of one without; each with or without a body in its answer. */
const tell = (run: Run): IpcCommand => ({ hasBody: true, answersBody: false, run });
const ask = (run: Run): IpcCommand => ({ hasBody: true, answersBody: true, run });
const tellBare = (run: Run): IpcCommand => ({ hasBody: false, answersBody: false, run });
const askBare = (run: Run): IpcCommand => ({ hasBody: false, answersBody: true, run });

/** By the names of the protocol; greeting and authentication are the connection's. */
export const COMMANDS: Readonly<Record<string, IpcCommand>> = {
  members: askBare((session, seq) => {
    session.send(seq, { Members: session.membership.members().map(memberFields) });
  }),
  "members-filtered": ask((session, seq, body) => {
    const matches = filterOf(body);
    const members = session.membership.members().filter(matches);
    session.send(seq, { Members: members.map(memberFields) });
  }),
  event: tell((session, seq, body) => {
    const [name, payload] = [body.text("Name"), body.bytes("Payload")];
    session.membership.userEvent(name, payload, body.flag("Coalesce"));
    session.send(seq);
  }),
  join: ask(async (session, seq, body) => {
    const ignoreOld = !body.flag("Replay");
    const joined = await session.membership.joinOnce(body.texts("Existing"), { ignoreOld });
    session.send(seq, { Num: joined });
  }),
  leave: tellBare(async (session, seq) => {
    await session.membership.leave();
    session.send(seq);
  }),
  "force-leave": tell((session, seq, body) => {
    const name = body.text("Node");
    if (!session.membership.forceLeave(name, body.flag("Prune"))) {
      throw new ProglogError("INVALID_ARGUMENT", `there is no member ${name}`);
    }
    session.send(seq);
  }),
  tags: tell((session, seq, body) => {
    const { membership } = session;
    const tags = new Map([...Object.entries(membership.tags), ...textsOf(body.map("Tags"))]);
    for (const name of body.texts("DeleteTags")) tags.delete(name);
    membership.setTags(Object.fromEntries(tags));
    session.send(seq);
  }),
  query: tell(query),
  respond: tell(respond),
  stream: tell(follow),
  monitor: tell(monitor),
  stop: tell((session, seq, body) => {
    session.stopStream(body.uint("Stop"));
    session.send(seq);
  }),
  "install-key": ask((session, seq, body) => changeKey(session, seq, "install", body)),
  "use-key": ask((session, seq, body) => changeKey(session, seq, "use", body)),
  "remove-key": ask((session, seq, body) => changeKey(session, seq, "remove", body)),
  "list-keys": askBare((session, seq) => changeKey(session, seq, "list", undefined)),
  stats: askBare((session, seq) => session.send(seq, stats(session))),
  "get-coordinate": ask((session, seq) => {
    session.send(seq, { Coord: null, Ok: false });
  }),
};

/** Name, status and tags as expressions that must match as a whole. */
function filterOf(body: Fields): (member: Member) => boolean {
  const tags = textsOf(body.map("Tags"));
  const [name, status] = [body.text("Name"), body.text("Status")];
  return (member) =>
    (name === "" || matches(name, member.name)) &&
    (status === "" || matches(status, member.status)) &&
    tags.every(([tag, expression]) => matches(expression, tagOf(member, tag)));
}

/** What a member does not have counts as empty; so do names such as `constructor`. */
function tagOf({ tags }: Member, tag: string): string {
  return Object.hasOwn(tags, tag) ? (tags[tag] ?? "") : "";
}

function matches(expression: string, text: string): boolean {
  const found = matchesExpression(`^(?:${expression})$`, text);
  if (found !== undefined) return found;
  throw new ProglogError("INVALID_ARGUMENT", `${expression} is not an expression that we know`);
}

function textsOf(map: ValueMap): [string, string][] {
  return [...map].map(([name, value]) => [
    name,
    (value instanceof Uint8Array ? textOf(value) : undefined) ?? "",
  ]);
}

/** Confirmed at once; what members say follows as records until the query is over. */
async function query(session: IpcSession, seq: number, body: Fields): Promise<void> {
  const timeoutMs = Math.floor(body.number("Timeout") / NS_PER_MS);
  const names = body.texts("FilterNodes");
  const tags: Tags = Object.fromEntries(textsOf(body.map("FilterTags")));
  const stopped = new AbortController();
  const signal = AbortSignal.any([stopped.signal, session.signal]);
  const options = {
    name: body.text("Name"),
    payload: body.bytes("Payload"),
    ack: body.flag("RequestAck"),
    relayFactor: body.uint("RelayFactor", 0xff),
    ...(timeoutMs > 0 ? { timeoutMs } : {}),
    ...(names.length > 0 ? { names } : {}),
    tags,
  };
  const answers = session.membership.query(options, signal);
  session.addStream(seq, () => stopped.abort());
  session.send(seq);
  void pass(session, seq, answers);
  return Promise.resolve();
}

async function pass(
  session: IpcSession,
  seq: number,
  answers: ReturnType<IpcSession["membership"]["query"]>,
): Promise<void> {
  for await (const answer of answers) {
    const payload = answer.kind === "response" ? answer.payload : null;
    session.sendRecord(seq, { From: answer.from, Payload: payload, Type: answer.kind });
  }
  session.sendRecord(seq, { From: "", Payload: null, Type: "done" });
  session.stopStream(seq);
}

async function changeKey(
  session: IpcSession,
  seq: number,
  operation: KeyOperation,
  body: Fields | undefined,
): Promise<void> {
  const { membership, signal } = session;
  const key = body === undefined ? undefined : Buffer.from(body.text("Key"), "base64");
  const isThere = ({ status }: Member): boolean => status === "alive" || status === "leaving";
  const count = membership.members().filter(isThere).length;
  const report = await membership.keyQueries.run(operation, key, count, signal);
  const { asked, answered, failed } = report;
  const isWhole = failed === 0 && answered === asked;
  const error =
    failed > 0
      ? `${failed}/${asked} nodes reported failure`
      : `${answered}/${asked} nodes reported success`;
  const said = {
    Keys: report.keys,
    Messages: report.messages,
    NumErr: failed,
    NumNodes: asked,
    NumResp: answered,
    PrimaryKeys: report.primaryKeys,
  };
  session.send(seq, said, isWhole ? "" : error);
}

/** What `serf info` prints: groups of names and texts. */
function stats({ membership }: IpcSession): Encodable {
  const { membersByStatus, healthScore, clocks, ...status } = membership.status();
  const { alive, leaving, left, failed } = membersByStatus;
  const numbers = {
    members: alive + leaving + left + failed,
    failed,
    left,
    health_score: healthScore,
    member_time: clocks.time,
    event_time: clocks.eventTime,
    query_time: clocks.queryTime,
    intent_queue: status.intentQueueLength,
    event_queue: status.eventQueueLength,
    query_queue: status.queryQueueLength,
  };
  const serf = Object.entries(numbers).map(([name, value]) => [name, String(value)] as const);
  return {
    agent: { name: membership.name },
    runtime: { os: process.platform, arch: process.arch, version: process.version },
    serf: new Map([...serf, ["encrypted", String(membership.isEncrypted)]]),
    tags: membership.tags,
    event_handlers: {},
  };
}
