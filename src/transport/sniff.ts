import { METHODS } from "node:http";

/** What the first bytes of a connection say about a protocol: it is this one, is not, or may be. */
export type Verdict = "yes" | "no" | "maybe";

/** HTTP/2 without TLS, and so gRPC: RFC 9113, section 3.4. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const HTTP1_STARTS = METHODS.map((method) => Buffer.from(`${method} `, "latin1"));

/** Whether bytes begin with `prefix`, as far as they go. */
export function sniffPrefix(bytes: Uint8Array, prefix: Uint8Array): Verdict {
  const length = Math.min(bytes.length, prefix.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== prefix[at]) return "no";
  return bytes.length >= prefix.length ? "yes" : "maybe";
}

export function sniffHttp2(bytes: Uint8Array): Verdict {
  return sniffPrefix(bytes, HTTP2_PREFACE);
}

/** HTTP/1: a request begins with a method and a space. */
export function sniffHttp1(bytes: Uint8Array): Verdict {
  let best: Verdict = "no";
  for (const start of HTTP1_STARTS) {
    const verdict = sniffPrefix(bytes, start);
    if (verdict === "yes") return "yes";
    if (verdict === "maybe") best = "maybe";
  }
  return best;
}
