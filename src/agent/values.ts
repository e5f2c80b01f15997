import * as z from "zod";

/**
 * The kinds of values that settings have. Each reads what a flag or a variable gives (text) and what
 * a file or a program gives (numbers, booleans, lists) alike, and says in words what it expected.
 */
export type ValueSchema<T> = z.ZodType<T>;

/** A schema from a function that answers undefined for what it does not accept. */
function value<T>(expected: string, read: (given: unknown) => T | undefined): ValueSchema<T> {
  return z.unknown().transform((given, context): T => {
    const result = read(given);
    if (result !== undefined) return result;
    context.issues.push({ code: "custom", message: `is not ${expected}`, input: given });
    return z.NEVER;
  });
}

/** Non-empty text. Numbers are refused: YAML has already changed `0123` when we see it. */
export function text(expected: string, pattern: RegExp = /^[^\0]+$/): ValueSchema<string> {
  return value(expected, (given) =>
    typeof given === "string" && pattern.test(given) ? given : undefined,
  );
}

/** Text, or nothing: the empty text. */
export function optionalText(expected: string): ValueSchema<string> {
  return text(expected, /^[^\0]*$/);
}

/** A share of a whole, or the word for "somebody else says". */
export const ratio: ValueSchema<number | "auto"> = value(
  "a number from 0 to 1, or auto",
  (given) => {
    if (given === "auto") return given;
    const isText = typeof given === "string" && /^\d*\.?\d+$/.test(given);
    const number = isText ? Number(given) : given;
    return typeof number === "number" && number >= 0 && number <= 1 ? number : undefined;
  },
);
/** How many; nothing, the empty text, is 0. */
export function count(max: number): ValueSchema<number> {
  return value(`a number from 0 to ${max}`, (given) => {
    const number = given === "" ? 0 : wholeNumber(given);
    return number !== undefined && number <= max ? number : undefined;
  });
}

/** Or nothing: the empty text. */
export const dnsLabel: ValueSchema<string> = text(
  "a DNS label: up to 63 lower-case letters, digits and hyphens, no hyphen at either end",
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$/,
);

/** What may stand between `spiffe://` and the first slash; or nothing. */
export const clusterName: ValueSchema<string> = text(
  "a cluster name: up to 255 lower-case letters, digits, dots, hyphens and underscores",
  /^(?:[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?)?$/,
);

export function oneOf<const T extends string>(...words: readonly T[]): ValueSchema<T> {
  return value(words.join(" or "), (given) => words.find((word) => word === given));
}

export const flag: ValueSchema<boolean> = value("true or false", (given) => {
  if (given === true || given === "true" || given === "1") return true;
  if (given === false || given === "false" || given === "0") return false;
  return undefined;
});

export const port: ValueSchema<number> = value("a port: 0 to 65535", readPort);

/** A port, or the word for "any free one", where 0 already means "none". */
export const optionalPort: ValueSchema<number | "auto"> = value(
  "a port (0 to 65535) or auto",
  (given) => (given === "auto" ? given : readPort(given)),
);

function readPort(given: unknown): number | undefined {
  const number = wholeNumber(given);
  return number !== undefined && number <= 65_535 ? number : undefined;
}

function wholeNumber(given: unknown): number | undefined {
  const number = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0
    ? number
    : undefined;
}

const BYTES: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** A size: bytes, or a number with a unit that cannot be misread (`64MiB`, `1.5GB`). */
export function bytes(
  atLeast: number,
  atMost: number = Number.MAX_SAFE_INTEGER,
): ValueSchema<number> {
  const range =
    atMost === Number.MAX_SAFE_INTEGER
      ? `of at least ${atLeast} bytes`
      : `from ${atLeast} to ${atMost} bytes`;
  return value(`a size ${range}, like 1048576, 64MiB or 1.5GB`, (given) => {
    const size = atLeastOrNothing(withUnit(given, BYTES), atLeast);
    return size === undefined || size > atMost ? undefined : size;
  });
}

const MILLISECONDS: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A duration: milliseconds, or a number with a unit (`250ms`, `36h`, `7d`). */
export const duration: ValueSchema<number> = value(
  "a duration: milliseconds, or a number with ms, s, m, h, d or w",
  (given) => withUnit(given, MILLISECONDS),
);

function withUnit(given: unknown, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof given !== "string") return wholeNumber(given);
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(given);
  const unit = match?.[2] ?? "";
  if (match === null || !Object.hasOwn(units, unit)) return undefined;
  return wholeNumber(Math.round(Number(match[1]) * (units[unit] ?? 1)));
}

function atLeastOrNothing(number: number | undefined, least: number): number | undefined {
  return number !== undefined && number >= least ? number : undefined;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** The inverse of `formatAddress`; undefined for anything else. */
export function parseAddress(given: string): HostAndPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(given);
  const host = match?.[1] ?? match?.[2];
  const number = readPort(match?.[3]);
  return host === undefined || number === undefined ? undefined : { host, port: number };
}

/** Whether only this machine can reach a host, as far as its name tells. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export const address: ValueSchema<string> = value("an address: host:port", (given) =>
  typeof given === "string" && parseAddress(given) !== undefined ? given : undefined,
);

/** An address, or nothing: the empty text. */
export const optionalAddress: ValueSchema<string> = value("an address: host:port", (given) =>
  given === "" || (typeof given === "string" && parseAddress(given) !== undefined)
    ? given
    : undefined,
);

/** Web origins, as a list or as text with commas; `*` is all of them. */
export const origins: ValueSchema<readonly string[]> = value(
  "a list of origins, like http://localhost:3000,https://example.org, or *",
  (given) => {
    const read = commaList(given)?.map(readOrigin);
    return read?.every((origin) => origin !== undefined) ? read : undefined;
  },
);

/** Addresses, as a list or as text with commas. */
export const addresses: ValueSchema<readonly string[]> = value(
  "a list of addresses, like 10.0.0.1:8401,seed.example.org:8401",
  (given) => {
    const list = commaList(given);
    return list?.every((text) => parseAddress(text) !== undefined) ? list : undefined;
  },
);

/** Keys for gossip, as a list or as text with commas. */
export const gossipKeys: ValueSchema<readonly string[]> = value(
  "a key of 16, 24 or 32 bytes in base64, or several",
  (given) => {
    const list = commaList(given);
    return list?.every(isGossipKey) ? list : undefined;
  },
);

function isGossipKey(text: string): boolean {
  const bytes = Buffer.from(text, "base64");
  return [16, 24, 32].includes(bytes.length) && bytes.toString("base64") === text;
}

function commaList(given: unknown): string[] | undefined {
  const parts: unknown[] | undefined =
    typeof given === "string" ? given.split(",") : Array.isArray(given) ? given : undefined;
  if (!parts?.every((part) => typeof part === "string")) return undefined;
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function readOrigin(given: string): string | undefined {
  if (given === "*") return given;
  if (!URL.canParse(given)) return undefined;
  const { origin, href, protocol } = new URL(given);
  const isWeb = protocol === "http:" || protocol === "https:";
  return isWeb && (href === origin || href === `${origin}/`) ? origin : undefined;
}
