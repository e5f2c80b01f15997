import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { BOOK_MODEL, BOOK_POLICY } from "../../test/support/credentials.ts";
import { ProglogError } from "../base/index.ts";
import { ACTIONS, DEFAULT_MODEL, parsePolicy } from "./policy.ts";

describe("policy", () => {
  test("the book's files: root may, nobody may not, and nothing is allowed that is not written", async () => {
    for (const model of [BOOK_MODEL, DEFAULT_MODEL]) {
      const policy = await parsePolicy(model, BOOK_POLICY);
      for (let time = 0; time < 2; time++) {
        assert.equal(policy.allows("root", "*", "produce"), true);
        assert.equal(policy.allows("root", "*", "consume"), true);
        assert.equal(policy.allows("root", "*", "administer"), false);
        assert.equal(policy.allows("root", "default", "produce"), false);
        assert.equal(policy.allows("nobody", "*", "produce"), false);
        assert.equal(policy.allows("roo", "t *", "produce"), false);
      }
    }
  });

  test("a model with roles", async () => {
    const model = DEFAULT_MODEL.replace(
      "[policy_effect]",
      "[role_definition]\ng = _, _\n[policy_effect]",
    ).replace("r.sub == p.sub", "g(r.sub, p.sub)");
    const policy = await parsePolicy(
      model,
      "# who writes\np, writers, *, produce\n\ng, alice, writers\n",
    );
    assert.equal(policy.allows("alice", "*", "produce"), true);
    assert.equal(policy.allows("bob", "*", "produce"), false);
    await assert.rejects(parsePolicy(model, "g, alice\n"), /has 1 fields after the first, not 2/);
  });

  const bad: Readonly<Record<string, readonly [policy: string, says: RegExp]>> = {
    "an empty file": ["", /no line/],
    "only comments": ["# p, root, *, produce\n", /no line/],
    garbage: ["\u0000\u0001\u0002garbage", /line 1 .* begins with none of p/],
    "not UTF-8": [Buffer.from([0x70, 0xff, 0xfe]).toString(), /not UTF-8/],
    "a line cut short": [
      "p, root, *, produce\np, root",
      /line 2 .* has 1 fields after the first, not 3/,
    ],
    "half an action": ["p, root, *, produce\np, root, *, cons", /unknown action "cons"/],
    "an unknown action": ["p, root, *, delete\n", /unknown action "delete"; there are produce/],
    "a star for an action": ["p, root, *, *\n", /unknown action/],
    "a field too many": ["p, root, *, produce, allow\n", /has 4 fields/],
    "an empty subject": ["p, , *, produce\n", /empty/],
    "a role that the model does not know": ["g, alice, root\n", /begins with none of/],
    "a look-alike": ["p, r\u043eot, *, produce\n", /plain ASCII/],
    "quotes around commas": ['p, "root, x", produce\n', /plain ASCII|quotes/],
  };
  for (const [name, [policy, says]] of Object.entries(bad)) {
    test(`${name} is refused in one line`, async () => {
      const error = await parsePolicy(DEFAULT_MODEL, policy).then(
        () => assert.fail("was accepted"),
        (caught: unknown) => ProglogError.from(caught),
      );
      assert.equal(error.code, "CONFIGURATION");
      assert.match(error.message, says);
      assert.match(error.message, /^[ -~\u2026]+$/);
    });
  }

  const models: Readonly<Record<string, string>> = {
    "an empty model": "",
    "a model of garbage": "garbage",
    "a model without a matcher": DEFAULT_MODEL.slice(0, DEFAULT_MODEL.indexOf("[matchers]")),
    "a matcher that does not parse": `${DEFAULT_MODEL.trimEnd()} && (`,
    "a matcher that asks for what is not there": `${DEFAULT_MODEL.trimEnd()} && lacks(r.sub)`,
    "a request of two parts": DEFAULT_MODEL.replace("r = sub, obj, act", "r = sub, act"),
  };
  for (const [name, model] of Object.entries(models)) {
    test(`${name} is refused`, async () => {
      await assert.rejects(parsePolicy(model, BOOK_POLICY), { code: "CONFIGURATION" });
    });
  }

  test("whatever stands in a file: refused, or no more allowed than its lines say", async () => {
    const word = fc.constantFrom(
      "p",
      "g",
      "root",
      "*",
      "produce",
      "consume",
      ",",
      " ",
      "\n",
      "#",
      "x",
      "\0",
      '"',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 40 }), async (words) => {
        const text = words.join("");
        const policy = await parsePolicy(DEFAULT_MODEL, text).catch((caught: unknown) => {
          assert.equal(ProglogError.from(caught).code, "CONFIGURATION");
        });
        for (const action of ACTIONS) {
          if (policy?.allows("root", "*", action) !== true) continue;
          const line = new RegExp(`^\\s*p *, *root *, *\\* *, *${action} *$`, "m");
          assert.match(text, line);
        }
      }),
      { numRuns: 200 },
    );
  });
});
