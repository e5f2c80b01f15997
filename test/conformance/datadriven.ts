/**
 * The grammar of data-driven test files: directives with arguments, perhaps lines of input, a line of
 * dashes, and what is expected. After cockroachdb/datadriven's documentation.
 */
export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

export interface Directive {
  /** In the file, from 1. */
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

const DASHES = "----";

export function parseDirectives(text: string): Directive[] {
  const lines = text.split("\n");
  const directives: Directive[] = [];
  for (let at = 0; at < lines.length;) {
    const start = at;
    let head = (lines[at++] ?? "").trim();
    if (head === "" || head.startsWith("#")) continue;
    while (head.endsWith("\\")) head = `${head.slice(0, -1).trim()} ${(lines[at++] ?? "").trim()}`;

    const input: string[] = [];
    while (at < lines.length && lines[at]?.trim() !== DASHES) input.push(lines[at++] ?? "");
    if (at >= lines.length) throw new Error(`line ${start + 1}: no "${DASHES}" follows`);
    at += 1;
    const expected: string[] = [];
    if (lines[at]?.trim() === DASHES) {
      for (at += 1; ; at++) {
        if (at >= lines.length) throw new Error(`line ${start + 1}: the block has no end`);
        if (lines[at]?.trim() === DASHES && lines[at + 1]?.trim() === DASHES) break;
        expected.push(lines[at] ?? "");
      }
      at += 2;
    } else {
      while (at < lines.length && lines[at]?.trim() !== "") expected.push(lines[at++] ?? "");
    }
    const [command = "", ...rest] = head.split(" ");
    directives.push({
      line: start + 1,
      command,
      args: parseArguments(rest.join(" ")),
      input: input.join("\n").trim(),
      expected: expected.join("\n"),
    });
  }
  return directives;
}

/** `key`, `key=value`, `key=` or `key=(a, b)`, with balanced brackets inside. */
export function parseArguments(text: string): Argument[] {
  const args: Argument[] = [];
  for (let rest = text.trim(); rest !== ""; rest = rest.trim()) {
    const key = /^[^\s=]+/.exec(rest)?.[0];
    if (key === undefined) throw new Error(`no argument begins with "${rest}"`);
    rest = rest.slice(key.length);
    if (!rest.startsWith("=")) {
      args.push({ key, values: [] });
    } else if (rest.startsWith("=(")) {
      const end = closingBracket(rest, 1);
      args.push({ key, values: splitList(rest.slice(2, end)) });
      rest = rest.slice(end + 1);
    } else {
      const value = /^=(\S*)/.exec(rest)?.[1] ?? "";
      args.push({ key, values: [value] });
      rest = rest.slice(1 + value.length);
    }
  }
  return args;
}

function closingBracket(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error(`"${text}" lacks a bracket`);
}

function splitList(text: string): string[] {
  const values: string[] = [];
  let depth = 0;
  let value = "";
  for (const char of text) {
    if (char === "(") depth += 1;
    if (char === ")") depth -= 1;
    if (char === "," && depth === 0) {
      values.push(value.trim());
      value = "";
    } else {
      value += char;
    }
  }
  if (text.trim() !== "") values.push(value.trim());
  return values;
}
