/** The README does what it says: its marked blocks run in order, against one fresh server. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import {
  freePorts,
  makeFolder,
  runProgram,
  startProgram,
  type Program,
} from "./support/program.ts";
import { needsCurl } from "./support/sessions.ts";
import { findSnippets, type Snippet } from "./support/snippets.ts";
import { root } from "./support/sources.ts";

const snippets = findSnippets(readFileSync(join(root, "README.md"), "utf8"));

/** A folder in which `proglog` is installed and `./proglog` is the command line. */
function prepare(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "proglog"));
  for (const name of ["tsx", "typescript", "@types"]) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  symlinkSync(join(root, "proglog"), join(folder, "proglog"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
}

/** The README's addresses are the defaults; here they are those of the server that was started. */
function address(text: string, server: Program): string {
  return text
    .replaceAll(/(localhost|127\.0\.0\.1):8080/g, server.http ?? "no HTTP")
    .replaceAll(/(localhost|127\.0\.0\.1):8400/g, server.grpc);
}

function run(snippet: Snippet, folder: string, server: Program): string {
  const text = address(snippet.text, server);
  const options = { cwd: folder, env: { PROGLOG_ADDR: server.grpc } };
  if (snippet.language === "sh") return runProgram("sh", ["-euc", text], options);
  assert.equal(snippet.language, "ts");
  writeFileSync(join(folder, "snippet.ts"), text);
  return runProgram(process.execPath, ["--import", "tsx", "snippet.ts"], options);
}

describe("README.md", () => {
  test("has blocks that run", () => assert.ok(snippets.length >= 5));

  test("its blocks do what they say", needsCurl, async (t) => {
    const folder = makeFolder(t);
    prepare(folder);
    const env = freePorts(join(folder, "data"));
    const server = await startProgram(t, join(root, "proglog"), ["agent"], { env });
    for (const snippet of snippets) {
      await t.test(`line ${snippet.line}`, () => {
        const printed = run(snippet, folder, server).trimEnd().split("\n");
        if (snippet.printed !== undefined) assert.deepEqual(printed, snippet.printed);
      });
    }
    assert.equal(await server.end("SIGTERM"), 0, server.stderr());
  });
});

describe("snippets", () => {
  test("are found with what they promise", () => {
    const text = "a\n\n<!-- test -->\n\n```sh\necho 1\n#=> 1\n```\n\n```sh\necho 2\n```\n";
    assert.deepEqual(findSnippets(text), [
      { language: "sh", line: 3, text: "echo 1\n#=> 1", printed: ["1"] },
    ]);
  });
});
