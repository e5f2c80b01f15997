import type { CallKind } from "../base/index.ts";
import { ROUTES } from "./http-routes.ts";

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "OPTIONS"];
/** What takes as long as its reader wants. */
const STREAM = "GET /v1/records";

const KINDS: ReadonlyMap<string, CallKind> = new Map(
  [...ROUTES.keys()]
    .flatMap((path) => METHODS.map((method) => `${method} ${path}`))
    .map((name) => [name, kind(name)]),
);
const OTHER = kind("other");

/**
 * What a request is told of as: one for each method and path that there is, and one for all that
 * there are not, since a client can make them up without end.
 */
export function kindOf(method: string, path: string): CallKind {
  return KINDS.get(`${method} ${path}`) ?? OTHER;
}

function kind(method: string): CallKind {
  return { system: "http", service: "http", method, isStream: method === STREAM };
}
