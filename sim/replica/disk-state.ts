import { crc32 } from "node:zlib";
import type { VoteFacts } from "../checkers/index.ts";
import type { FaultDisk } from "../disk/index.ts";

const COPIES_AT = [0, 8_192];
const HEAD_BYTES = 56;
const MAGIC = "PLRS";

/**
 * What certainly outlives a power cut of term and vote, read by `docs/format.md` and by none of the
 * log's code: the older of the two copies, since what is said must be in both.
 */
export function durableVote(disk: FaultDisk, directory: string): VoteFacts {
  const path = `${directory}/raft.state`;
  if (!disk.medium.has(path, "durable")) return { term: 0, vote: 0 };
  const bytes = disk.medium.bytes(path, "durable");
  const copies = COPIES_AT.map((at) => readCopy(bytes.subarray(at, at + 8_192)));
  return copies.reduce((a, b) => (a.sequence <= b.sequence ? a : b));
}

function readCopy(slot: Uint8Array): VoteFacts & { readonly sequence: number } {
  const nothing = { sequence: 0, term: 0, vote: 0 };
  if (slot.length < HEAD_BYTES) return nothing;
  const view = new DataView(slot.buffer, slot.byteOffset, slot.byteLength);
  const magic = String.fromCharCode(...slot.subarray(0, 4));
  const end = HEAD_BYTES + view.getUint16(12, true);
  if (magic !== MAGIC || end > slot.length) return nothing;
  const checksum = crc32(slot.subarray(12, end), crc32(slot.subarray(4, 8)));
  if (checksum !== view.getUint32(8, true)) return nothing;
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  return { sequence: word(16), term: word(24), vote: word(32) };
}
