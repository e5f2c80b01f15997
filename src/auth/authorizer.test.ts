import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, test } from "node:test";
import { AuthorizedCaller, Authorizer } from "./authorizer.ts";
import type { Identity } from "./identity.ts";
import { DEFAULT_MODEL, parsePolicy } from "./policy.ts";

const PRODUCE = ["produce"] as const;
const USE = ["produce", "consume"] as const;

/** A policy whose file is changed by the test. */
async function changing(lines: string) {
  const policy = {
    version: 1,
    onChange: () => () => undefined,
    value: await parsePolicy(DEFAULT_MODEL, lines),
    become: async (next: string): Promise<void> => {
      policy.value = await parsePolicy(DEFAULT_MODEL, next);
      policy.version += 1;
    },
  };
  return policy;
}

const client = (subject: string): Identity => ({ kind: "client", subject });
const peer: Identity = { kind: "peer", subject: "node:a", name: "a" };
const nobody: Identity = { kind: "nobody", subject: "nobody?", reason: "two names" };

describe("authorizer", () => {
  test("a decision holds for its version of the policy", async () => {
    const policy = await changing("p, root, *, produce\np, one, default, produce");
    const root = new AuthorizedCaller(client("root"), "peer:1", policy);
    const one = new AuthorizedCaller(client("one"), "peer:1", policy);
    assert.equal(root.refusal(PRODUCE, "default"), undefined);
    assert.equal(one.refusal(PRODUCE, "default"), undefined);
    assert.equal(one.refusal(PRODUCE, "other")?.code, "PERMISSION_DENIED");
    await policy.become("p, one, *, produce");
    assert.equal(root.refusal(PRODUCE, "default")?.message, "root not permitted to produce to *");
    assert.equal(
      root.refusal(USE, "default")?.message,
      "root not permitted to produce or consume to *",
    );
    assert.equal(root.refusal([], "default"), undefined, "nobody is asked");
    await policy.become("p, root, *, consume");
    assert.equal(root.refusal(USE, "default"), undefined);
  });

  test("without a policy every client may, and nobody else", () => {
    const refusal = (identity: Identity) =>
      new AuthorizedCaller(identity, "peer:1", undefined).refusal(PRODUCE, "default")?.code;
    assert.equal(refusal(client("anyone")), undefined);
    assert.equal(refusal(peer), "PERMISSION_DENIED");
    assert.equal(refusal(nobody), "UNAUTHENTICATED");
  });

  test("a peer is no client, whatever the policy says of its name", async () => {
    const policy = await changing(
      "p, node:a, *, produce\np, a, *, produce\np, nobody?, *, produce",
    );
    for (const identity of [peer, nobody]) {
      const caller = new AuthorizedCaller(identity, "peer:1", policy);
      assert.notEqual(caller.refusal(PRODUCE, "default"), undefined);
    }
  });

  test("plaintext with a policy is nobody, even where the policy names him", async () => {
    const policy = await changing("p, anonymous, *, produce");
    const rules = () => ({ clusterName: "c", peerAuthorities: [] });
    const socket = new PassThrough();
    const authorizer = new Authorizer({ rules, policy });
    const caller = authorizer.callerOf(socket);
    assert.equal(authorizer.callerOf(socket), caller);
    const refusal = caller.refusal(PRODUCE, "default");
    assert.equal(refusal?.code, "UNAUTHENTICATED");
    assert.equal(refusal.message, "no transport security being used");
    const open = new Authorizer({ rules });
    assert.equal(open.callerOf(socket).refusal(PRODUCE, "default"), undefined);
  });
});
