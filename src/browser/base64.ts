/** Bytes as the HTTP API writes them where they are no text. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  // Not all at once: arguments of a call are bounded.
  for (let at = 0; at < bytes.length; at += 8_192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  }
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
