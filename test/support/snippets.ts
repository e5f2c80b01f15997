/** A block of code in a document, and what it must print. */
export interface Snippet {
  readonly language: string;
  readonly line: number;
  readonly text: string;
  /** The lines after `#=>` or `//=>`; undefined when the block promises nothing. */
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
