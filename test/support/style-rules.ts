import { isTest, type Source } from "./sources.ts";

const LINES_MAX = 500;
/** Written in halves, so that this file does not find itself. */
const REMINDERS = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`,
);
const DEFAULT_EXPORT = /^export default\b|^export \{[^}]*\bas default\b/m;
const SHARED_HOOK = /^(beforeEach|afterEach|before)\(/m;
/** The literal name in a call of an observer's `log`. */
const EVENT = /\.log\(\s*(?:"(?:debug|info|warn|error)"|level),\s*["`]([^"`$]*)/g;
const EVENT_NAME = /^[a-z]+\.([a-z]+(-[a-z]+)*)?$/;
const CHAPTER = /^(#!.*\n)?\/\*\*\n \* # \S+: .+\n \*\n/;

type Rule = (source: Source) => string | undefined;

/** The rules of the repository that are small enough to be a function each. */
const RULES: readonly Rule[] = [
  ({ text }) => {
    const lines = text.split("\n").length - 1;
    return lines > LINES_MAX ? `${lines} lines; at most ${LINES_MAX}` : undefined;
  },
  ({ text }) => {
    const line = text.split("\n").findIndex((content) => REMINDERS.test(content));
    return line < 0
      ? undefined
      : `a reminder is left in line ${line + 1}: do it, or write it down elsewhere`;
  },
  ({ imports }) => {
    const bare = imports.find((name) => name.startsWith(".") && !/\.(ts|mjs|json)$/.test(name));
    return bare === undefined ? undefined : `"${bare}" is imported without its suffix .ts`;
  },
  ({ path, text }) =>
    path.startsWith("src/") && DEFAULT_EXPORT.test(text) ? "has a default export" : undefined,
  ({ path, text }) =>
    isTest(path) && SHARED_HOOK.test(text)
      ? "has a hook outside a describe, which would run for other files of the same process too"
      : undefined,
  ({ path, text }) => {
    if (!path.startsWith("src/") || isTest(path)) return undefined;
    const names = Array.from(text.matchAll(EVENT), ([, name = ""]) => name);
    const odd = names.find((name) => name !== "" && !EVENT_NAME.test(name));
    return odd === undefined ? undefined : `"${odd}" is no name of an event, as "log.disk-full" is`;
  },
  ({ path, text }) =>
    isFrontDoor(path) && !CHAPTER.test(text)
      ? 'is a front door and opens with a chapter: "/**\\n * # folder: the idea"'
      : undefined,
];

/** `src/<folder>/index.ts`; the command line's is its `main.ts`. */
function isFrontDoor(path: string): boolean {
  return /^src\/[^/]+\/index\.ts$/.test(path) || path === "src/cli/main.ts";
}

export function findStyleViolations(sources: readonly Source[]): string[] {
  return sources.flatMap((source) =>
    RULES.flatMap((rule) => {
      const violation = rule(source);
      return violation === undefined ? [] : [`${source.path}: ${violation}`];
    }),
  );
}

/** Folders of src/ without a front door. */
export function findClosedFolders(sources: readonly Source[]): string[] {
  const folders = new Set(sources.map(({ path }) => path.split("/").slice(0, 2).join("/")));
  const doors = sources.filter(({ path }) => isFrontDoor(path)).map(({ path }) => path);
  return [...folders].filter((folder) => !doors.some((door) => door.startsWith(`${folder}/`)));
}
