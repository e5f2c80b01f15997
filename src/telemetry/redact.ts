import { limits } from "../base/index.ts";
import type { Fields } from "../base/index.ts";

/** Names under which a secret or what a client stored would stand. Compared in lower case. */
const SECRET =
  /(?:^|[._-])(?:value|values|key|payload|record|records|body|secret|password|passwd|token|credentials?|authorization|cookie|pem|private[._-]?key|gossip[._-]?key)$/;
const REDACTED = "[redacted]";

/** A key in PEM form, and what curl and browsers send as `Authorization`. */
const SECRET_TEXT =
  /-----BEGIN[^-]*PRIVATE KEY-----[^]*?(?:-----END[^-]*-----|$)|\b(?:Bearer|Basic) +[\w+/=.~-]{8,}/gi;

/** What a terminal or a reader of lines might obey: controls, other line ends, turns of direction. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Fields as they may be written: nothing secret, nothing that acts, nothing without end. */
export function redacted(fields: Fields): Record<string, string | number | boolean> {
  const clean: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (SECRET.test(name.toLowerCase())) clean[plainText(name)] = REDACTED;
    else clean[plainText(name)] = typeof value === "string" ? plainText(value) : value;
  }
  return clean;
}

/** One line of text that is only text. */
export function plainText(text: string): string {
  const { logFieldCharsMax } = limits;
  const cut = text.length > logFieldCharsMax ? `${text.slice(0, logFieldCharsMax)}…` : text;
  return cut.replace(SECRET_TEXT, REDACTED).replace(CONTROL, escaped);
}

function escaped(character: string): string {
  if (character === "\n") return "\\n";
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}
