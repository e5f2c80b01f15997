import { readFileSync } from "node:fs";
import { Keyring } from "../gossip-keyring.ts";

/** Keys of test clusters, not secret. */
const KEYS: Readonly<Record<string, string>> = {
  key1: "cg8StVXbQJ0gPvMd9o7yrg==",
  key2: "5K9OtfP7efFrNKe5WCQvXvnaXJ5cWP0SvXiwe0kkjM4=",
};

/** One packet, or one direction of a stream, as a real agent sent it. */
export interface Frame {
  readonly net: "udp" | "tcp";
  /** Layers from the outside in, and the kinds of the messages. */
  readonly layers: readonly string[];
  /** Empty for a frame in plaintext. */
  readonly keyring: Keyring;
  readonly bytes: Buffer;
  readonly title: string;
}

export function serfFrames(): Frame[] {
  const text = readFileSync(new URL("serf-frames.txt", import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [net = "", layers = "", key = "", hex = ""] = line.split(" ");
    const secret = KEYS[key];
    return {
      net: net === "tcp" ? "tcp" : "udp",
      layers: layers.split("+"),
      keyring: new Keyring(secret === undefined ? [] : [Buffer.from(secret, "base64")]),
      bytes: Buffer.from(hex, "hex"),
      title: `${net} ${layers} ${key}`,
    };
  });
}
