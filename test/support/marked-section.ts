import { readFileSync, writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";

/** The lines between two marks of a Markdown page; none where there are no such marks. */
export function readSection(file: string, name: string): string[] {
  const text = readOrEmpty(file);
  const begin = `<!-- ${name}: begin -->`;
  const [from, to] = [text.indexOf(begin), text.indexOf(`<!-- ${name}: end -->`)];
  return from >= 0 && to > from
    ? text
        .slice(from + begin.length, to)
        .trim()
        .split("\n")
    : [];
}

/**
 * Writes lines between two marks of a Markdown page, in place of what was there; at its end where
 * there are no such marks yet.
 */
export async function writeSection(
  file: string,
  name: string,
  lines: readonly string[],
): Promise<void> {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const before = readOrEmpty(file);
  const section = [begin, "", ...lines, "", end].join("\n");
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  const after =
    from >= 0 && to > from
      ? before.slice(0, from) + section + before.slice(to + end.length)
      : `${before === "" ? "" : `${before.trimEnd()}\n\n`}${section}\n`;
  const style = await resolveConfig(file);
  writeFileSync(file, await format(after, { ...style, parser: "markdown" }));
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
