import { below, chance } from "../../base/index.ts";
import type { Random } from "../../base/index.ts";
import { Keyring } from "../gossip-keyring.ts";
import { decodePacket } from "../gossip-packet.ts";
import { StreamReader } from "../gossip-stream.ts";
import type { Frame } from "./serf-frames.ts";

export interface FuzzTally {
  /** Frames of which something was still understood. */
  readonly understood: number;
  readonly refused: number;
}

/** Changes real frames at random, and reads them: whatever comes, reading answers and does not throw. */
export function fuzzFrames(frames: readonly Frame[], count: number, random: Random): FuzzTally {
  let understood = 0;
  for (let i = 0; i < count; i++) {
    const frame = frames[below(random, frames.length)];
    if (frame === undefined) break;
    // Behind the checksum and the seal, where a change is not noticed at once, it can do more.
    const isInside = chance(random, 0.5) && frame.layers[0] === "crc";
    const bytes = mutate(isInside ? frame.bytes.subarray(5) : frame.bytes, frames, random);
    const isRead =
      frame.net === "udp" ? readPacket(bytes, frame) : readStream(bytes, frame, random);
    if (isRead) understood += 1;
  }
  return { understood, refused: count - understood };
}

function readPacket(bytes: Uint8Array, { keyring }: Frame): boolean {
  return decodePacket(bytes, keyring).messages.length > 0;
}

function readStream(bytes: Uint8Array, { keyring }: Frame, random: Random): boolean {
  const reader = new StreamReader(chance(random, 0.9) ? keyring : new Keyring([]));
  const piece = 1 + below(random, bytes.length + 1);
  for (let at = 0; at < bytes.length; at += piece) {
    const verdict = reader.push(bytes.subarray(at, at + piece));
    if (verdict !== "more") return !("refused" in verdict);
  }
  return false;
}

/** One to four changes: a bit, a byte, a cut, a repetition, a splice with another frame, noise. */
function mutate(original: Uint8Array, frames: readonly Frame[], random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(original);
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, bytes.length + 1);
    switch (below(random, 6)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
        break;
      case 1:
        // Heads of msgpack and type bytes are what matters most.
        if (at < bytes.length) bytes[at] = 0xc0 + below(random, 64);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(random, at + 1))]);
        break;
      case 4: {
        const other = frames[below(random, frames.length)]?.bytes ?? new Uint8Array(0);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(below(random, other.length))]);
        break;
      }
      default: {
        const noise = Uint8Array.from({ length: below(random, 16) }, () => random.u32() & 0xff);
        bytes = Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
      }
    }
  }
  return bytes;
}
