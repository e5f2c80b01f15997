import type { Bug, Finder } from "./bug.ts";

/** The table of `docs/planted-bugs.md`. */
export function bugTable(bugs: readonly Bug[]): string {
  const rows = bugs.map(({ name, file, why, foundBy }) => {
    return `| \`${name}\` | ${file} | ${why} | ${finderText(foundBy)} |`;
  });
  return ["| bug | in | what it breaks | found by |", "| --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
}

function finderText(finder: Finder): string {
  if (finder.by === "scenario") return `scenario \`${finder.name}\``;
  return `${finder.subject}, seed ${finder.seed}, ${finder.replicas} replicas`;
}
