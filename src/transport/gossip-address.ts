/** IP addresses as the 4 or 16 bytes of the wire ⇄ as the text that sockets take. */
import { isIPv4, isIPv6 } from "node:net";

const MAPPED_PREFIX = Buffer.from("00000000000000000000ffff", "hex");

/** Text of an address; an IPv4 one that is mapped into IPv6 is shown as IPv4. */
export function formatIp(ip: Uint8Array): string {
  const bytes = Buffer.from(ip.buffer, ip.byteOffset, ip.byteLength);
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return shortened(groups);
}

export function isMapped(ip: Uint8Array): boolean {
  return ip.length === 16 && MAPPED_PREFIX.equals(ip.subarray(0, 12));
}

/** The longest run of zero groups becomes `::`. Source: RFC 5952. */
function shortened(groups: readonly string[]): string {
  let best = { from: 0, length: 0 };
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (groups[from + length] === "0") length += 1;
    if (length > best.length) best = { from, length };
  }
  if (best.length < 2) return groups.join(":");
  const before = groups.slice(0, best.from).join(":");
  return `${before}::${groups.slice(best.from + best.length).join(":")}`;
}

/** The bytes of an address, 4 for IPv4 however it is written; undefined for what is none. */
export function parseIp(text: string): Uint8Array | undefined {
  const [address = ""] = text.split("%");
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address)) return undefined;
  const [head = "", tail] = withoutDots(address).split("::");
  const first = groupsOf(head);
  const last = groupsOf(tail ?? "");
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array<number>(zeros).fill(0), ...last];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, i) => bytes.writeUInt16BE(group, 2 * i));
  return isMapped(bytes) ? bytes.subarray(12) : bytes;
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

/** `::ffff:10.0.0.1` → `::ffff:a00:1`. */
function withoutDots(address: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted === null) return address;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(1).map(Number);
  const groups = `${(256 * a + b).toString(16)}:${(256 * c + d).toString(16)}`;
  return address.slice(0, dotted.index) + groups;
}

/** Whether only this machine can reach an address. */
export function isLoopbackIp(ip: Uint8Array): boolean {
  if (ip.length === 4 || isMapped(ip)) return ip.at(-4) === 127;
  return formatIp(ip) === "::1";
}
