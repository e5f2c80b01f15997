import { ProglogError } from "../base/index.ts";

/**
 * Bytes of standard base64 (RFC 4648 §4), padded or not. `Buffer.from` alone passes over whatever it
 * does not know, so that garbage would become a shorter record; here it is `INVALID_ARGUMENT`.
 */
export function decodeBase64(text: string, name: string): Buffer {
  const end = endOfData(text);
  const padded = end < text.length;
  const wrongLength = end % 4 === 1 || (padded && text.length % 4 !== 0);
  // Looking for one foreign character never backtracks, however long the text is.
  if (wrongLength || /[^A-Za-z0-9+/]/.test(padded ? text.slice(0, end) : text)) {
    throw new ProglogError("INVALID_ARGUMENT", `"${name}" is not base64`);
  }
  return Buffer.from(text, "base64");
}

/** Where the padding begins. */
function endOfData(text: string): number {
  let end = text.length;
  while (end > 0 && text.length - end < 2 && text[end - 1] === "=") end -= 1;
  return end;
}

/** Standard, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
