import { invalid, quote } from "./http-json.ts";

export type Query = ReadonlyMap<string, string>;

const NOTHING: Query = new Map();

/** Parameters after the `?`. Unknown ones and repetitions are `INVALID_ARGUMENT`, not silence. */
export function readQuery(search: string, known: readonly string[]): Query {
  if (search === "") return NOTHING;
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(search)) {
    if (!known.includes(name)) {
      const names = known.length === 0 ? "none" : known.join(", ");
      throw invalid(`unknown query parameter ${quote(name)}; this path knows ${names}`);
    }
    if (query.has(name)) throw invalid(`the query parameter "${name}" is given twice`);
    query.set(name, value);
  }
  return query;
}

/** `true`, `1` or nothing after the name; `false` or `0`. Undefined when it is not given. */
export function readFlag(query: Query, name: string): boolean | undefined {
  const text = query.get(name);
  switch (text) {
    case undefined:
      return undefined;
    case "":
    case "1":
    case "true":
      return true;
    case "0":
    case "false":
      return false;
    default:
      throw invalid(`"${name}" is true or false, not ${quote(text)}`);
  }
}
