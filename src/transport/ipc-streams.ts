import { limits, ProglogError } from "../base/index.ts";
import type { Encodable, Fields } from "./gossip-msgpack.ts";
import { levelOf } from "./ipc-log.ts";
import type { IpcEvent } from "./ipc-port.ts";
import { memberFields } from "./ipc-session.ts";
import type { IpcSession } from "./ipc-session.ts";

/** Events as they come, those that the operator named. */
export function follow(session: IpcSession, seq: number, body: Fields): void {
  const wants = wanted(body.text("Type"));
  let unsubscribe: () => void = () => undefined;
  session.addStream(seq, () => unsubscribe());
  // The confirmation stands before the first record.
  session.send(seq);
  unsubscribe = session.membership.subscribe((event) => {
    const record = recordOf(session, event);
    if (record !== undefined && wants(record)) session.sendRecord(seq, record);
  });
}

/** Lines of our log. */
export function monitor(session: IpcSession, seq: number, body: Fields): void {
  const level = levelOf(body.text("LogLevel") || "DEBUG");
  if (level === undefined) throw new ProglogError("INVALID_ARGUMENT", "Unknown log level");
  let unsubscribe: () => void = () => undefined;
  session.addStream(seq, () => unsubscribe());
  session.send(seq);
  unsubscribe = session.log.follow(level, (text) => session.sendRecord(seq, { Log: text }));
}

/** Answers a query that came on a stream. */
export function respond(session: IpcSession, seq: number, body: Fields): void {
  const id = body.uint("ID");
  const query = session.queries.get(id);
  if (query === undefined) throw new ProglogError("INVALID_ARGUMENT", "No such query");
  session.queries.delete(id);
  session.membership.respond(query, body.bytes("Payload"));
  session.send(seq);
}

interface EventRecord {
  readonly [field: string]: Encodable;
  readonly Event: string;
}

const EVENTS: Readonly<Partial<Record<IpcEvent["kind"], string>>> = {
  join: "member-join",
  leave: "member-leave",
  failed: "member-failed",
  update: "member-update",
  reap: "member-reap",
};

function recordOf(session: IpcSession, event: IpcEvent): EventRecord | undefined {
  if (event.kind === "lost") return undefined;
  if (event.kind === "user") {
    const { name, payload, time, coalesce } = event;
    const fields = { Coalesce: coalesce, LTime: time, Name: name, Payload: payload };
    return { Event: "user", ...fields };
  }
  if (event.kind === "query") {
    const { id, name, payload, time } = event.query;
    const { queries } = session;
    const [oldest] = queries.keys();
    if (queries.size >= limits.ipcQueriesMax && oldest !== undefined) queries.delete(oldest);
    queries.set(id, event.query);
    return { Event: "query", ID: id, LTime: time, Name: name, Payload: payload };
  }
  return { Event: EVENTS[event.kind] ?? "", Members: [memberFields(event.member)] };
}

/** `*`, or a list like `member-join,user:deploy,query`. */
function wanted(types: string): (record: EventRecord) => boolean {
  const list = types.split(",").map((type) => type.trim());
  return (record) =>
    list.some((type) => {
      if (type === "*" || type === "") return true;
      const [kind = "", name] = type.split(":");
      return kind === record.Event && (name === undefined || name === record["Name"]);
    });
}
