/** Certificates and policies that change while the server is under load: no call fails. */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { issueCertificate } from "../../src/auth/index.ts";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { BOOK_POLICY, credentials, writeServerFiles } from "../support/credentials.ts";
import { makeFolder } from "../support/program.ts";
import { AgentProcess } from "./support/agent.ts";

const ROUNDS = 6;
const PAUSE_MS = 1_500;

test("certificates rotated and the policy changed under load, with no failed call", async (t) => {
  const made = await credentials();
  const folder = makeFolder(t);
  const files = writeServerFiles(folder, made);
  const flags = Object.entries(files).flatMap(([name, path]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    path,
  ]);
  await using agent = new AgentProcess({ dataDir: join(folder, "data"), flags });
  const address = await agent.ready;
  const tls = { ca: made.authority.cert, ...made.root };
  const once = { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 };
  const open = (): Client => connect(address, { tls, retry: once });
  const state = { running: true, calls: 0, connections: 0 };

  // One client keeps its connection, others come anew for every call, a third follows.
  const steady = async (): Promise<void> => {
    await using client = open();
    while (state.running) {
      await client.produce({ value: Buffer.from("steady") });
      state.calls += 1;
    }
  };
  const anew = async (): Promise<void> => {
    while (state.running) {
      await using client = open();
      await client.produce({ value: Buffer.from("anew") });
      state.connections += 1;
    }
  };
  const end = new AbortController();
  const follow = async (): Promise<number> => {
    await using client = open();
    let count = 0;
    try {
      for await (const record of client.records({ follow: true, signal: end.signal })) {
        assert.equal(record.offset, count);
        count += 1;
      }
    } catch (error) {
      if (!end.signal.aborted) throw error;
    }
    return count;
  };
  const load = Promise.all([steady(), steady(), anew(), anew()]);
  const followed = follow();

  const replace = (path: string, content: string): void => {
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const server = await issueCertificate({
      ...{ authority: made.authority, kind: "server", name: "localhost", hosts: ["127.0.0.1"] },
    });
    replace(files.serverTlsCertFile, server.cert);
    replace(files.serverTlsKeyFile, server.key);
    replace(files.serverTlsCaFile, `${made.authority.cert}${made.otherAuthority.cert}`);
    replace(files.aclPolicyFile, `${BOOK_POLICY}p, guest-${round}, *, consume\n`);
    await Promise.race([sleep(PAUSE_MS), load]);
  }
  state.running = false;
  await load;
  end.abort();
  const count = await followed;
  const reloads = agent.stderr.match(/(server_tls|policy)\.reloaded/g)?.length ?? 0;
  t.diagnostic(
    `${state.calls} calls on two connections, ${state.connections} connections of one call, ` +
      `${count} records followed, ${reloads} reloads`,
  );
  assert.ok(state.calls > 100 && state.connections > 10 && count > 100);
  assert.equal(reloads, 2 * ROUNDS, agent.stderr);
  assert.doesNotMatch(agent.stderr, /refused/);
});
