/** Documents do what they say: the marked blocks of each run in order, against one fresh server. */
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
import { differs, findSnippets, type Snippet } from "./support/snippets.ts";
import { root } from "./support/root.ts";

const DOCUMENTS = ["README.md", "docs/client.md"];

const TSCONFIG = {
  compilerOptions: {
    target: "ES2023",
    lib: ["ES2023", "ESNext.Disposable"],
    module: "NodeNext",
    types: ["node"],
    noEmit: true,
    strict: true,
    skipLibCheck: true,
  },
};

/** A folder in which `proglog` is installed and `./proglog` is the command line. */
function prepare(folder: string): void {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "proglog"));
  for (const name of ["tsx", "typescript", "@types", "@grpc", "zod"]) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  symlinkSync(join(root, "proglog"), join(folder, "proglog"));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
}

function fileOf(snippet: Snippet): string {
  return `line-${snippet.line}.ts`;
}

function run(snippet: Snippet, folder: string, server: Program): string {
  const options = { cwd: folder, env: { PROGLOG_ADDRESS: server.grpc } };
  if (snippet.language === "ts") {
    return runProgram(process.execPath, ["--import", "tsx", fileOf(snippet)], options);
  }
  assert.equal(snippet.language, "sh");
  return runProgram("sh", ["-euc", addressed(snippet.text, server)], options);
}

/** The README's addresses are the defaults; here they are those of the server that was started. */
function addressed(text: string, server: Program): string {
  return text
    .replaceAll(/(localhost|127\.0\.0\.1):8080/g, server.http ?? "no HTTP")
    .replaceAll(/(localhost|127\.0\.0\.1):8400/g, server.grpc);
}

for (const document of DOCUMENTS) {
  const snippets = findSnippets(readFileSync(join(root, document), "utf8"));

  test(`${document}: its blocks do what they say`, needsCurl, async (t) => {
    assert.ok(snippets.length >= 5, "there are blocks to run");
    const folder = makeFolder(t);
    prepare(folder);
    const env = freePorts(join(folder, "data"));
    const server = await startProgram(t, join(root, "proglog"), ["agent"], { env });
    for (const snippet of snippets.filter(({ language }) => language === "ts")) {
      writeFileSync(join(folder, fileOf(snippet)), addressed(snippet.text, server));
    }
    await t.test("the types are right", () => {
      runProgram(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], { cwd: folder });
    });
    for (const snippet of snippets) {
      await t.test(`line ${snippet.line}`, () => {
        assert.equal(differs(snippet, run(snippet, folder, server)), undefined);
      });
    }
    assert.equal(await server.end("SIGTERM"), 0, server.stderr());
  });
}

describe("snippets", () => {
  const text = "a\n\n<!-- test -->\n\n```sh\necho (1) 2\n#=> (1) …\n```\n\n```sh\necho 2\n```\n";
  const snippet = { language: "sh", line: 3, text: "echo (1) 2\n#=> (1) …", printed: ["(1) …"] };

  test("are found with what they promise", () => {
    assert.deepEqual(findSnippets(text), [snippet]);
  });

  test("must print just that", () => {
    assert.equal(differs(snippet, "(1) 2\n"), undefined);
    for (const output of ["1 2\n", "(1)\n", "(1) 2\nmore\n", ""]) {
      assert.notEqual(differs(snippet, output), undefined);
    }
    assert.equal(differs({ ...snippet, printed: undefined }, "whatever"), undefined);
  });
});
