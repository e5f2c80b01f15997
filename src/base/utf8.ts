/** UTF-8 without allocation where that is possible. Lone surrogates become U+FFFD, as in `TextEncoder`. */
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      length += 1;
      continue;
    }
    length += 2;
    const next = text.charCodeAt(i + 1);
    // A pair is two units and four bytes.
    if ((unit & 0xfc00) === 0xd800 && (next & 0xfc00) === 0xdc00) i += 1;
  }
  return length;
}

/** Writes `text`, whose length in bytes is known, at `at`; returns where the next byte goes. */
export function putUtf8(bytes: Uint8Array, at: number, text: string, length: number): number {
  if (length === text.length) {
    for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
  } else {
    encoder.encodeInto(text, bytes.subarray(at, at + length));
  }
  return at + length;
}

export function getUtf8(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let ascii = 0;
  for (let at = start; at < end; at++) ascii |= bytes[at] as number;
  if (ascii < 0x80) return true;
  try {
    strictDecoder.decode(bytes.subarray(start, end));
    return true;
  } catch {
    return false;
  }
}
