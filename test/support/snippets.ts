/** A block of code in a document, and what it must print. */
export interface Snippet {
  readonly language: string;
  readonly line: number;
  readonly text: string;
  /** The lines after `#=>` or `//=>`, `…` for anything; undefined when the block promises nothing. */
  readonly printed: readonly string[] | undefined;
}

const BLOCK = /<!-- test -->\n\n?```(\w+)\n([^]*?)\n```\n/g;

/** The blocks of a Markdown text that stand below `<!-- test -->`. */
export function findSnippets(markdown: string): Snippet[] {
  return [...markdown.matchAll(BLOCK)].map(({ 1: language = "", 2: text = "", index }) => {
    const promised = [...text.matchAll(/^(?:#|\/\/)=> (.*)$/gm)].map((match) => match[1] ?? "");
    return {
      language,
      text,
      line: markdown.slice(0, index).split("\n").length,
      printed: promised.length === 0 ? undefined : promised,
    };
  });
}

/** Whether a printed text is what was promised; undefined when it is, else both, to be compared. */
export function differs(
  { printed: promised }: Snippet,
  output: string,
): { promised: readonly string[]; printed: string[] } | undefined {
  if (promised === undefined) return undefined;
  const printed = output.trimEnd().split("\n");
  const same =
    printed.length === promised.length &&
    promised.every((line, at) => patternOf(line).test(printed[at] ?? ""));
  return same ? undefined : { promised, printed };
}

function patternOf(line: string): RegExp {
  const parts = line.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
