import type {
  Codec,
  Message,
  PacketMessage,
  QueryFilter,
  SerfMessage,
  StreamMessage,
} from "../../src/gossip/index.ts";

/** Fields as the wire names them; the names are part of what a message costs. */
type Fields = readonly (readonly [key: string, value: unknown])[];

export interface SimulatedCodec extends Codec {
  /** The message that these bytes were made of. */
  decodePacket(bytes: Uint8Array): PacketMessage;
}

/** The message rides on its bytes: a map beside them would outweigh the simulation. */
type MessageBytes = Uint8Array & { message?: Message };

/**
 * A codec whose bytes have the real length and no content: the simulator hands messages over as they
 * are, and needs to know only what they would cost.
 */
export function simulatedCodec(): SimulatedCodec {
  const encode = (message: Message): Uint8Array => {
    const bytes: MessageBytes = new Uint8Array(1 + messageBytes(message));
    bytes.message = message;
    return bytes;
  };
  return {
    encodePacket: encode,
    encodeSerf: encode,
    decodePacket: (bytes: MessageBytes) => bytes.message as PacketMessage,
    decodeSerf: (bytes: MessageBytes) => bytes.message as SerfMessage | undefined,
    encodeTags: (tags) => new TextEncoder().encode(JSON.stringify(tags)),
    decodeTags: (meta) => {
      const text = new TextDecoder().decode(meta);
      try {
        return JSON.parse(text) as Record<string, string>;
      } catch {
        return { role: text };
      }
    },
  };
}

/** Bytes of a stream's message, type byte included. */
export function streamBytes(message: StreamMessage): number {
  if (message.kind === "error") return 1 + msgpackBytes([["Error", message.text]]);
  if (message.kind !== "push-pull") return 1 + messageBytes(message);
  let bytes =
    1 +
    msgpackBytes([
      ["Nodes", 1000],
      ["UserStateLen", 1000],
      ["Join", true],
    ]);
  for (const row of message.members) {
    bytes += msgpackBytes([
      ["Name", row.name],
      ["Addr", row.address.ip],
      ["Port", row.address.port],
      ["Meta", row.meta],
      ["Incarnation", row.incarnation],
      ["State", 0],
      ["Vsn", row.versions],
    ]);
  }
  const { serf } = message;
  if (serf === undefined) return bytes;
  const events = serf.events.map(({ time, events: slot }) => {
    return [
      ["LTime", time],
      ["Events", slot.map((each) => each.payload)],
    ] as const;
  });
  return (
    bytes +
    msgpackBytes([
      ["LTime", serf.time],
      ["StatusLTimes", [...serf.statusTimes].flat()],
      ["LeftMembers", serf.leftNames],
      ["EventLTime", serf.eventTime],
      ["Events", events],
      ["QueryLTime", serf.queryTime],
    ])
  );
}

function messageBytes(message: Message): number {
  if (message.kind === "user") return 1 + messageBytes(message.message);
  return msgpackBytes(fieldsOf(message));
}

function fieldsOf(message: Exclude<Message, { kind: "user" }>): Fields {
  switch (message.kind) {
    case "ping":
    case "indirect-ping": {
      const { source } = message;
      const sourced: Fields =
        source === undefined
          ? []
          : [
              ["SourceAddr", source.ip],
              ["SourcePort", source.port],
              ["SourceNode", source.name],
            ];
      const fields: Fields = [["SeqNo", message.sequence], ["Node", message.name], ...sourced];
      if (message.kind === "ping") return fields;
      return [...fields, ["Target", message.target.ip], ["Port", 7946], ["Nack", true]];
    }
    case "ack":
      return [
        ["SeqNo", message.sequence],
        ["Payload", null],
      ];
    case "nack":
      return [["SeqNo", message.sequence]];
    case "suspect":
    case "dead":
      return [
        ["Incarnation", message.incarnation],
        ["Node", message.name],
        ["From", message.from],
      ];
    case "alive":
      return [
        ["Incarnation", message.incarnation],
        ["Node", message.name],
        ["Addr", message.address.ip],
        ["Port", message.address.port],
        ["Meta", message.meta],
        ["Vsn", message.versions],
      ];
    case "leave-intent":
      return [
        ["LTime", message.time],
        ["Node", message.name],
        ["Prune", message.prune],
      ];
    case "join-intent":
      return [
        ["LTime", message.time],
        ["Node", message.name],
      ];
    case "user-event":
      return [
        ["LTime", message.time],
        ["Name", message.name],
        ["Payload", message.payload],
        ["CC", message.coalesce],
      ];
    case "query":
      return [
        ["LTime", message.time],
        ["ID", message.id],
        ["Addr", message.source.ip],
        ["Port", message.source.port],
        ["SourceNode", message.source.name],
        ["Filters", message.filters.map(filterText)],
        ["Flags", 0],
        ["RelayFactor", message.relayFactor],
        ["Timeout", message.timeoutMs * 1e6],
        ["Name", message.name],
        ["Payload", message.payload],
      ];
    case "query-response":
      return [
        ["LTime", message.time],
        ["ID", message.id],
        ["From", message.from],
        ["Flags", 0],
        ["Payload", message.payload],
      ];
    case "relay":
      return [
        ["DestAddr", message.destination.ip],
        ["DestName", message.destination.name],
        ["", new Uint8Array(messageBytes(message.message))],
      ];
    case "conflict-response":
      return [["Member", message.member?.name ?? null]];
    case "key-request":
      return [["Key", message.key]];
    case "key-response":
      return [
        ["Result", message.ok],
        ["Message", message.text],
        ["Keys", message.keys],
        ["PrimaryKey", message.primaryKey],
      ];
  }
}

function filterText(filter: QueryFilter): string {
  return filter.kind === "names" ? filter.names.join(" ") : filter.tag + filter.expression;
}

function msgpackBytes(fields: Fields): number {
  let bytes = fields.length < 16 ? 1 : 3;
  for (const [key, value] of fields) bytes += valueBytes(key) + valueBytes(value);
  return bytes;
}

function valueBytes(value: unknown): number {
  // Simulated names are ASCII.
  if (typeof value === "string") return rawBytes(value.length);
  if (value instanceof Uint8Array) return rawBytes(value.length);
  if (typeof value === "number") return integerBytes(value);
  if (Array.isArray(value)) {
    return value.reduce<number>((sum, each) => sum + valueBytes(each), value.length < 16 ? 1 : 3);
  }
  return 1;
}

function rawBytes(length: number): number {
  return length + (length < 32 ? 1 : 3);
}

function integerBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 256) return 2;
  if (value < 65536) return 3;
  return value < 2 ** 32 ? 5 : 9;
}
