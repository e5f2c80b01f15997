/** Documents are of the repository: their links lead to what is there. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { root } from "./support/root.ts";

function findDocuments(): string[] {
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name));
  return [...top, ...docs].sort();
}

/** Targets of links and of images, without those of code blocks. */
function findLinks(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[^]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
}

describe("documents", () => {
  for (const name of findDocuments()) {
    test(`${name}: links lead somewhere`, () => {
      const links = findLinks(readFileSync(join(root, name), "utf8"));
      const broken = links
        .filter((link) => !/^(https?:|#)/.test(link))
        .filter((link) => !existsSync(join(root, dirname(name), link.replace(/#.*$/, ""))));
      assert.deepEqual(broken, []);
    });
  }

  test("a decision is listed among the decisions", () => {
    const folder = join(root, "docs", "adr");
    const list = readFileSync(join(folder, "README.md"), "utf8");
    const pages = readdirSync(folder).filter((name) => /^\d{4}-.*\.md$/.test(name));
    assert.deepEqual(
      pages.filter((page) => !list.includes(`(${page})`)),
      [],
    );
  });
});
