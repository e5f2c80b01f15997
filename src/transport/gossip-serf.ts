/** Serf's messages ⇄ bytes. They ride inside memberlist's user message: a type byte, then one map. */
import type {
  ConflictResponse,
  EventSlot,
  MemberStatus,
  Query,
  QueryFilter,
  Relay,
  SerfMessage,
  SerfState,
  Source,
} from "../gossip/index.ts";
import { decodeValue, encodeValue, Fields, MsgpackReader, textOf } from "./gossip-msgpack.ts";
import type { Encodable, Value } from "./gossip-msgpack.ts";

/** Source: Serf, messages.go. */
const TYPE = {
  leave: 0,
  join: 1,
  pushPull: 2,
  userEvent: 3,
  query: 4,
  queryResponse: 5,
  conflictResponse: 6,
  keyRequest: 7,
  keyResponse: 8,
  relay: 9,
} as const;
const FLAG_ACK = 1;
const FLAG_NO_BROADCAST = 2;
const FILTER_NAMES = 0;
const FILTER_TAG = 1;
const NS_PER_MS = 1_000_000;
const U16 = 0xffff;
const U32 = 0xffff_ffff;
/** Numbers of the statuses in a conflict response; 0 is none of them. */
const STATUSES: readonly (MemberStatus | undefined)[] = [
  undefined,
  "alive",
  "leaving",
  "left",
  "failed",
];

/** Go writes an empty slice that was never filled as nil, and so do we. */
function orNil(bytes: Uint8Array): Uint8Array | null {
  return bytes.length === 0 ? null : bytes;
}

function struct(type: number, fields: Encodable): Uint8Array {
  return Buffer.concat([Uint8Array.of(type), encodeValue(fields)]);
}

export function encodeSerf(message: SerfMessage): Uint8Array {
  switch (message.kind) {
    case "leave-intent": {
      const { time, name, prune } = message;
      return struct(TYPE.leave, { LTime: time, Node: name, Prune: prune });
    }
    case "join-intent":
      return struct(TYPE.join, { LTime: message.time, Node: message.name });
    case "user-event": {
      const { coalesce, time, name, payload } = message;
      return struct(TYPE.userEvent, {
        CC: coalesce,
        LTime: time,
        Name: name,
        Payload: orNil(payload),
      });
    }
    case "query":
      return encodeQuery(message);
    case "query-response": {
      const { ack, from, id, time, payload } = message;
      const flags = ack ? FLAG_ACK : 0;
      const answer = { Flags: flags, From: from, ID: id, LTime: time, Payload: orNil(payload) };
      return struct(TYPE.queryResponse, answer);
    }
    case "relay": {
      const { ip, port, name } = message.destination;
      const head = { DestAddr: { IP: ip, Port: port, Zone: "" }, DestName: name };
      return Buffer.concat([struct(TYPE.relay, head), encodeSerf(message.message)]);
    }
    case "conflict-response":
      return struct(TYPE.conflictResponse, conflictFields(message));
    case "key-request":
      return struct(TYPE.keyRequest, { Key: message.key });
    case "key-response": {
      const { keys, text, primaryKey, ok } = message;
      const answer = { Keys: keys, Message: text, PrimaryKey: primaryKey, Result: ok };
      return struct(TYPE.keyResponse, answer);
    }
  }
}

function encodeQuery(query: Query): Uint8Array {
  const { source, filters, id, time, name, payload, relayFactor, timeoutMs } = query;
  const flags = (query.ack ? FLAG_ACK : 0) | (query.noBroadcast ? FLAG_NO_BROADCAST : 0);
  return struct(TYPE.query, {
    Addr: source.ip,
    Filters: filters.length === 0 ? null : filters.map(encodeFilter),
    Flags: flags,
    ID: id,
    LTime: time,
    Name: name,
    Payload: orNil(payload),
    Port: source.port,
    RelayFactor: relayFactor,
    SourceNode: source.name,
    Timeout: timeoutMs * NS_PER_MS,
  });
}

function encodeFilter(filter: QueryFilter): Uint8Array {
  if (filter.kind === "names") return struct(FILTER_NAMES, filter.names);
  return struct(FILTER_TAG, { Expr: filter.expression, Tag: filter.tag });
}

function conflictFields({ member }: ConflictResponse): Encodable {
  if (member === null) return null;
  const { name, address, tags, status, versions } = member;
  const [pMin = 0, pMax = 0, pCur = 0, dMin = 0, dMax = 0, dCur = 0] = versions;
  return {
    Addr: address.ip,
    DelegateCur: dCur,
    DelegateMax: dMax,
    DelegateMin: dMin,
    Name: name,
    Port: address.port,
    ProtocolCur: pCur,
    ProtocolMax: pMax,
    ProtocolMin: pMin,
    Status: STATUSES.indexOf(status),
    Tags: tags,
  };
}

/** Undefined for what is no message of Serf's, and for its push/pull state, which is no message. */
export function decodeSerf(bytes: Uint8Array): SerfMessage | undefined {
  if (bytes[0] === TYPE.relay) return decodeRelay(bytes);
  const value = decodeValue(bytes, 1);
  if (value === undefined) return undefined;
  if (value === null && bytes[0] === TYPE.conflictResponse) {
    return { kind: "conflict-response", member: null };
  }
  const fields = new Fields(value);
  const message = fields.isValid() ? decodeFields(bytes[0] ?? -1, fields) : undefined;
  return fields.isValid() ? message : undefined;
}

function decodeFields(type: number, fields: Fields): SerfMessage | undefined {
  const time = fields.uint("LTime");
  switch (type) {
    case TYPE.leave:
      return { kind: "leave-intent", time, name: fields.text("Node"), prune: fields.flag("Prune") };
    case TYPE.join:
      return { kind: "join-intent", time, name: fields.text("Node") };
    case TYPE.userEvent: {
      const event = { name: fields.text("Name"), payload: fields.ownBytes("Payload") };
      return { kind: "user-event", time, ...event, coalesce: fields.flag("CC") };
    }
    case TYPE.query:
      return decodeQuery(time, fields);
    case TYPE.queryResponse: {
      const ack = (fields.uint("Flags", U32) & FLAG_ACK) !== 0;
      const answer = { id: fields.uint("ID", U32), from: fields.text("From") };
      return { kind: "query-response", time, ...answer, ack, payload: fields.ownBytes("Payload") };
    }
    case TYPE.conflictResponse:
      return decodeConflict(fields);
    case TYPE.keyRequest:
      return { kind: "key-request", key: fields.bytes("Key") };
    case TYPE.keyResponse: {
      const said = { ok: fields.flag("Result"), text: fields.text("Message") };
      const held = { keys: fields.texts("Keys"), primaryKey: fields.text("PrimaryKey") };
      return { kind: "key-response", ...said, ...held };
    }
    default:
      return undefined;
  }
}

function decodeQuery(time: number, fields: Fields): Query | undefined {
  const source = sourceOf(fields, "Addr", "Port", fields.text("SourceNode"));
  const filters = fields.list("Filters").map(decodeFilter);
  if (source === undefined || !filters.every((filter) => filter !== undefined)) return undefined;
  const flags = fields.uint("Flags", U32);
  return {
    kind: "query",
    time,
    id: fields.uint("ID", U32),
    source,
    filters,
    ack: (flags & FLAG_ACK) !== 0,
    noBroadcast: (flags & FLAG_NO_BROADCAST) !== 0,
    relayFactor: fields.uint("RelayFactor", 0xff),
    timeoutMs: Math.max(0, Math.floor(fields.number("Timeout") / NS_PER_MS)),
    name: fields.text("Name"),
    payload: fields.ownBytes("Payload"),
  };
}

function decodeFilter(bytes: Value): QueryFilter | undefined {
  const value = bytes instanceof Uint8Array ? decodeValue(bytes, 1) : undefined;
  if (!(bytes instanceof Uint8Array) || value === undefined) return undefined;
  if (bytes[0] === FILTER_NAMES) {
    const fields = new Fields(new Map([["Names", value]]));
    const names = fields.texts("Names");
    return fields.isValid() ? { kind: "names", names } : undefined;
  }
  const fields = new Fields(value);
  const tag = { tag: fields.text("Tag"), expression: fields.text("Expr") };
  return bytes[0] === FILTER_TAG && fields.isValid() ? { kind: "tag", ...tag } : undefined;
}

/** The only message with another one behind it. */
function decodeRelay(bytes: Uint8Array): Relay | undefined {
  const reader = new MsgpackReader(bytes, 1);
  const fields = new Fields(reader.value());
  if (reader.state !== "ok" || !fields.isValid()) return undefined;
  const name = fields.text("DestName");
  const destination = sourceOf(fields.struct("DestAddr"), "IP", "Port", name);
  const inner = bytes.subarray(reader.at);
  const message = inner[0] === TYPE.relay ? undefined : decodeSerf(inner);
  if (!fields.isValid() || destination === undefined) return undefined;
  if (message === undefined || message.kind === "relay") return undefined;
  return { kind: "relay", destination, message };
}

function decodeConflict(fields: Fields): ConflictResponse | undefined {
  const name = fields.text("Name");
  const source = sourceOf(fields, "Addr", "Port", name);
  const status = STATUSES[fields.uint("Status", STATUSES.length)];
  if (source === undefined || status === undefined) return undefined;
  const tags = [...fields.map("Tags")].map(([tag, value]): [string, string] => [
    tag,
    (value instanceof Uint8Array ? textOf(value) : undefined) ?? "",
  ]);
  const versions = ["ProtocolMin", "ProtocolMax", "ProtocolCur"]
    .concat(["DelegateMin", "DelegateMax", "DelegateCur"])
    .map((field) => fields.uint(field, 0xff));
  const address = { ip: source.ip, port: source.port };
  return {
    kind: "conflict-response",
    member: {
      name,
      address,
      // An assignment would lose a tag that is named `__proto__`.
      tags: Object.fromEntries(tags),
      status,
      versions: Uint8Array.from(versions),
    },
  };
}

function sourceOf(
  fields: Fields,
  ipField: string,
  portField: string,
  name: string,
): Source | undefined {
  const ip = fields.ownBytes(ipField);
  const port = fields.uint(portField, U16);
  return fields.isValid() && (ip.length === 4 || ip.length === 16) ? { ip, port, name } : undefined;
}

/** The user state of a push/pull. */
export function encodeSerfState(state: SerfState): Uint8Array {
  return struct(TYPE.pushPull, {
    EventLTime: state.eventTime,
    Events: state.events.map(({ time, events }) => ({
      Events: events.map(({ name, payload }) => ({ Name: name, Payload: payload })),
      LTime: time,
    })),
    LTime: state.time,
    LeftMembers: state.leftNames,
    QueryLTime: state.queryTime,
    StatusLTimes: state.statusTimes,
  });
}

export function decodeSerfState(bytes: Uint8Array): SerfState | undefined {
  if (bytes[0] !== TYPE.pushPull) return undefined;
  const fields = new Fields(decodeValue(bytes, 1));
  const statusTimes = new Map<string, number>();
  for (const [name, time] of fields.map("StatusLTimes")) {
    if (typeof time === "number" && Number.isSafeInteger(time)) statusTimes.set(name, time);
  }
  const slots = fields.list("Events").filter((slot) => slot !== null);
  const events = slots.map(decodeSlot);
  const state: SerfState = {
    kind: "serf-state",
    time: fields.uint("LTime"),
    statusTimes,
    leftNames: fields.texts("LeftMembers"),
    eventTime: fields.uint("EventLTime"),
    events: events.filter((slot) => slot !== undefined),
    queryTime: fields.uint("QueryLTime"),
  };
  return fields.isValid() && events.every((slot) => slot !== undefined) ? state : undefined;
}

function decodeSlot(value: Value): EventSlot | undefined {
  const fields = new Fields(value);
  const events = fields.list("Events").map((event) => {
    const inner = new Fields(event);
    const read = { name: inner.text("Name"), payload: inner.ownBytes("Payload") };
    return inner.isValid() ? read : undefined;
  });
  const slot = {
    time: fields.uint("LTime"),
    events: events.filter((event) => event !== undefined),
  };
  return fields.isValid() && slot.events.length === events.length ? slot : undefined;
}
