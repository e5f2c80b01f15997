import type { Mistake } from "./bug.ts";

/** Mistakes between servers: how they make a cluster, let others in, hand on, and answer readers. */
export const SERVER_BUGS: readonly Mistake[] = [
  {
    name: "two-clusters-from-one-bootstrap",
    file: "src/replica/bootstrap.ts",
    find: 'if (!isMeant || own.hasState || state.kind !== "idle") return { granted: false, state };',
    replace: "if (!isMeant || own.hasState) return { granted: false, state };",
    why: "who said yes to one cluster says yes to another before anything came of the first",
  },
  {
    name: "abort-of-what-was-decided",
    file: "src/replica/bootstrap.ts",
    find: '  if (state.kind === "committed") return "committed";\n',
    replace: "",
    why: "who asks the proposer hears that nothing came of the cluster that it belongs to",
  },
  {
    name: "duplicate-after-failover",
    file: "src/replica/decision.ts",
    find: 'if (known.kind === "duplicate") return',
    replace: 'if (known.kind === "duplicate" && known.batch.term === turn.term) return',
    why: "what a producer sends again to another leader is there twice",
  },
  {
    name: "answer-before-commit",
    file: "src/replica/append-loop.ts",
    find: "    this.#answers.commit(commitIndex);\n",
    replace: "    this.#answers.commit(this.#consensus.lastIndex);\n",
    why: "with each commit all that was appended is answered",
  },
  {
    name: "404-from-a-stale-follower",
    file: "src/server/consume.ts",
    find: "  if (offset >= log.highWatermark) await log.readBarrier(signal());\n",
    replace: "",
    why: "a server that is behind says that a record does not exist",
  },
  {
    name: "forwarded-twice",
    file: "src/replica/forwarding.ts",
    find: "    void ask(leader, encodeForwardRequest({ term, timeoutMs, appends }), timeoutMs)\n",
    replace:
      "    const request = encodeForwardRequest({ term, timeoutMs, appends });\n    void ask(leader, request, timeoutMs)\n      .catch(() => ask(leader, request, timeoutMs))\n",
    why: "appends whose answer was lost are handed on once more",
  },
  {
    name: "stamp-lost-on-the-way",
    file: "src/replica/forwarding.ts",
    find: "append = { kind, subject, expectedOffset, stamp, stream: undefined, body: body() };",
    replace:
      "append = { kind, subject, expectedOffset, stamp: stamp && undefined, stream: undefined, body: body() };",
    why: "an append that is handed on has forgotten which producer's it is",
  },
  {
    name: "broken-link-is-refusal",
    file: "src/transport/peer-calls.ts",
    find: 'this.#fail(call, "UNAVAILABLE", "the connection broke");',
    replace: 'this.#fail(call, "UNAVAILABLE", "the connection broke", true);',
    why: "what had left when the link broke is called not appended",
  },
  {
    name: "stream-goes-two-ways",
    file: "src/replica/forwarding.ts",
    find: "    if (session.sent > 0) return otherWay();\n",
    replace: "",
    why: "what is open of a stream goes to two leaders, and overtakes itself",
  },
  {
    name: "failed-stream-goes-on",
    file: "src/replica/forwarding.ts",
    find: "    if (options.stream !== undefined) options.stream.failed ??= result.error;\n",
    replace: "",
    why: "behind a failed append of a stream others are appended",
  },
  {
    name: "promoted-before-caught-up",
    file: "src/replica/members.ts",
    find: "return matched !== undefined && matched >= this.#consensus.commitIndex;",
    replace: "return matched !== undefined;",
    why: "a learner votes before it has what was committed",
  },
  {
    name: "two-votes-of-one-name",
    file: "src/replica/members.ts",
    find: '      ...old.map((namesake) => ({ kind: "remove", member: namesake }) as const),\n',
    replace: "",
    why: "a server whose disk was replaced votes as its former self too",
  },
  {
    name: "living-namesake-is-replaced",
    file: "src/replica/members.ts",
    find: "    const missedMs = this.missedMs(replicaId);",
    replace: "    const missedMs = this.silentMs(replicaId);",
    why: "a leader that was just elected takes those for gone who had no reason to speak to it",
  },
  {
    name: "held-up-leader-missed-all",
    file: "src/replica/mail.ts",
    find: "    if (now - this.#listenedAt > heldUpMs) this.#listensSince = now;\n",
    replace: "",
    why: "a leader that stood still takes those for gone whose words it has not read yet",
  },
  {
    name: "removed-is-let-in-again",
    file: "src/membership/reconcile.ts",
    find: "const joined = candidates(configuration, seen).find(isNew);",
    replace: "const joined = candidates(configuration, seen).find((one) => isNew(one) || true);",
    why: "a server that an operator removed comes back under its old id",
  },
];
