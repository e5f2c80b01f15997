import type { Tags } from "../gossip/index.ts";
import { decodeValue, encodeValue } from "./gossip-msgpack.ts";
import type { Value, ValueMap } from "./gossip-msgpack.ts";

/** The first byte of a member's `meta` when a map of tags follows. Source: Serf, serf.go. */
const TAGS_MAGIC = 0xff;

export function encodeTags(tags: Tags): Uint8Array {
  return Buffer.concat([Uint8Array.of(TAGS_MAGIC), encodeValue(tags)]);
}

/** What is not a map is the tag `role`, as in Serf's first version; nothing at all is no tags. */
export function decodeTags(meta: Uint8Array): Tags {
  if (meta.length === 0) return {};
  const value: Value | undefined = meta[0] === TAGS_MAGIC ? decodeValue(meta, 1) : undefined;
  if (!isMap(value)) return { role: shown(meta) };
  const tags: [string, string][] = [];
  for (const [name, tag] of value) if (tag instanceof Uint8Array) tags.push([name, shown(tag)]);
  // Not by assignment: a tag may be called __proto__.
  return Object.fromEntries(tags);
}

function isMap(value: Value | undefined): value is ValueMap {
  return value instanceof Map;
}

/** Tags are for people and for settings: what is no UTF-8 is shown as well as it can be. */
function shown(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
