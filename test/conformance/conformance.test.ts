/** The data files of etcd/raft, where they are, and the runner itself, always. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";

import { skipUnless } from "../support/require.ts";
import { parseArguments, parseDirectives } from "./datadriven.ts";
import { findDataFiles, runDataFile } from "./run.ts";
import { differences } from "./semantic.ts";

const FOLDER = resolve(
  process.env["RAFT_TESTDATA"] ?? resolve(import.meta.dirname, "../../../shared/raft-testdata"),
);
const isThere = existsSync(FOLDER);

describe("conformance to etcd/raft", () => {
  const missing = `the data files of etcd/raft (RAFT_TESTDATA names their folder)`;
  test("41 data files", skipUnless(isThere, missing), () => {
    const results = findDataFiles(FOLDER).map((name) => runDataFile(FOLDER, name));
    const failures = results.filter(({ failure }) => failure !== undefined);
    assert.deepEqual(failures, []);
    assert.equal(results.length, 41);
    assert.equal(
      results.reduce((sum, { directives }) => sum + directives, 0),
      743,
    );
  });
});

describe("the runner of data files", () => {
  test("reads directives, comments, input and expectations", () => {
    const text =
      "# a comment\n\nadd x=(1, 2) y= \\\n  z\nin\nput\n----\none\ntwo\n\nnext\n----\nok\n";
    assert.deepEqual(parseDirectives(text), [
      {
        line: 3,
        command: "add",
        args: [
          { key: "x", values: ["1", "2"] },
          { key: "y", values: [""] },
          { key: "z", values: [] },
        ],
        input: "in\nput",
        expected: "one\ntwo",
      },
      { line: 11, command: "next", args: [], input: "", expected: "ok" },
    ]);
  });

  test("reads blocks with blank lines, and balanced brackets", () => {
    const [directive] = parseDirectives("a\n----\n----\none\n\ntwo\n----\n----\n");
    assert.equal(directive?.expected, "one\n\ntwo");
    assert.deepEqual(parseArguments("x=(a(b,c), d) e"), [
      { key: "x", values: ["a(b,c)", "d"] },
      { key: "e", values: [] },
    ]);
  });

  test("ignores wording, and nothing else", () => {
    const line = "1->2 MsgVote Term:1 Log:1/10";
    assert.deepEqual(differences(`INFO anything\n${line}`, line), []);
    assert.deepEqual(differences("ok", "DEBUG something"), []);
    assert.equal(differences(line, "1->2 MsgVote Term:2 Log:1/10").length, 1);
    assert.equal(differences(line, "ok").length, 1);
    assert.match(differences("gibberish", "gibberish").join(), /not understood/);
    const event = "INFO 1 became leader at term 1";
    assert.deepEqual(differences(event, `  ${event}`), []);
    assert.equal(differences(event, "ok").length, 1);
    assert.equal(differences("ok", event).length, 1);
  });
});
