/** memberlist's messages ⇄ bytes: a type byte, then one msgpack map. Serf's are in `gossip-serf.ts`. */
import type { Address, PacketMessage, Source, StreamError } from "../gossip/index.ts";
import { decodeValue, encodeValue, Fields } from "./gossip-msgpack.ts";
import type { Encodable } from "./gossip-msgpack.ts";
import { decodeSerf, encodeSerf } from "./gossip-serf.ts";

/** Type bytes of the wire. Source: memberlist, net.go. */
export const TYPE = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  crc: 12,
  error: 13,
  /** The header of a network that shares its port with others; Serf has no setting for it. */
  label: 244,
} as const;

export type PacketKind = PacketMessage["kind"];

const U16 = 0xffff;
const U32 = 0xffff_ffff;

export function typed(type: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = type;
  bytes.set(body, 1);
  return bytes;
}

const struct = (type: number, fields: Readonly<Record<string, Encodable>>): Uint8Array =>
  typed(type, encodeValue(fields));

/** One message as it stands alone in a packet, or as a part of a compound. Fields in Go's order. */
export function encodeMessage(message: PacketMessage | StreamError): Uint8Array {
  switch (message.kind) {
    case "ping": {
      const { name, sequence, source } = message;
      return struct(TYPE.ping, { Node: name, SeqNo: sequence, ...sourceFields(source) });
    }
    case "indirect-ping": {
      const { nack, name, target, sequence, source } = message;
      const asked = { Nack: nack, Node: name, Port: target.port, SeqNo: sequence };
      const from = sourceFields(source);
      return struct(TYPE.indirectPing, { ...asked, ...from, Target: target.ip });
    }
    case "ack":
      return struct(TYPE.ack, { Payload: message.payload, SeqNo: message.sequence });
    case "nack":
      return struct(TYPE.nack, { SeqNo: message.sequence });
    case "suspect": {
      const { from, incarnation, name } = message;
      return struct(TYPE.suspect, { From: from, Incarnation: incarnation, Node: name });
    }
    case "dead": {
      const { from, incarnation, name } = message;
      return struct(TYPE.dead, { From: from, Incarnation: incarnation, Node: name });
    }
    case "alive": {
      const { address, incarnation, meta, name, versions } = message;
      const where = { Addr: address.ip, Incarnation: incarnation, Meta: meta };
      return struct(TYPE.alive, { ...where, Node: name, Port: address.port, Vsn: versions });
    }
    case "user":
      return typed(TYPE.user, encodeSerf(message.message));
    case "error":
      return struct(TYPE.error, { Error: message.text });
  }
}

function sourceFields(source: Source | undefined): Readonly<Record<string, Encodable>> {
  if (source === undefined) return {};
  return { SourceAddr: source.ip, SourceNode: source.name, SourcePort: source.port };
}

/** Undefined for what is no message of a packet: undecodable, or of a type that only streams have. */
export function decodeMessage(bytes: Uint8Array): PacketMessage | undefined {
  const type = bytes[0];
  if (type === TYPE.user) {
    const message = decodeSerf(bytes.subarray(1));
    return message === undefined ? undefined : { kind: "user", message };
  }
  const value = decodeValue(bytes, 1);
  if (value === undefined) return undefined;
  const fields = new Fields(value);
  const message = fields.isValid() ? decodeFields(type ?? -1, fields) : undefined;
  return fields.isValid() ? message : undefined;
}

export function decodeFields(type: number, fields: Fields): PacketMessage | undefined {
  switch (type) {
    case TYPE.ping: {
      const asked = { sequence: fields.uint("SeqNo", U32), name: fields.text("Node") };
      return { kind: "ping", ...asked, ...sourceOf(fields) };
    }
    case TYPE.indirectPing: {
      const target = addressOf(fields, "Target", "Port");
      if (target === undefined) return undefined;
      const asked = { sequence: fields.uint("SeqNo", U32), name: fields.text("Node"), target };
      return { kind: "indirect-ping", ...asked, nack: fields.flag("Nack"), ...sourceOf(fields) };
    }
    case TYPE.ack: {
      const payload = fields.has("Payload") ? fields.bytes("Payload") : null;
      return { kind: "ack", sequence: fields.uint("SeqNo", U32), payload };
    }
    case TYPE.nack:
      return { kind: "nack", sequence: fields.uint("SeqNo", U32) };
    case TYPE.suspect:
      return { kind: "suspect", ...accusationOf(fields) };
    case TYPE.dead:
      return { kind: "dead", ...accusationOf(fields) };
    case TYPE.alive: {
      const address = addressOf(fields, "Addr", "Port");
      if (address === undefined) return undefined;
      const who = { incarnation: fields.uint("Incarnation", U32), name: fields.text("Node") };
      const what = { meta: fields.ownBytes("Meta"), versions: fields.ownBytes("Vsn") };
      return { kind: "alive", ...who, address, ...what };
    }
    default:
      return undefined;
  }
}

function accusationOf(fields: Fields): { incarnation: number; name: string; from: string } {
  const incarnation = fields.uint("Incarnation", U32);
  return { incarnation, name: fields.text("Node"), from: fields.text("From") };
}

/** A source counts only when it is whole; a peer without one means the packet's own. */
function sourceOf(fields: Fields): { readonly source?: Source } {
  const address = addressOf(fields, "SourceAddr", "SourcePort");
  if (address === undefined || address.port === 0) return {};
  return { source: { ...address, name: fields.text("SourceNode") } };
}

/** An address of 4 or 16 bytes, as they came. */
export function addressOf(fields: Fields, ipField: string, portField: string): Address | undefined {
  const ip = fields.ownBytes(ipField);
  const port = fields.uint(portField, U16);
  return ip.length === 4 || ip.length === 16 ? { ip, port } : undefined;
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPE).map(([name, type]) => [
    type,
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  ]),
);

/** For counters: what a message of a packet is, by its first byte. */
export function nameOfType(type: number | undefined): string {
  return NAMES.get(type ?? -1) ?? "unknown";
}
