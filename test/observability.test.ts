/** What looks at a server's metrics, held against what a server exports. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { connect } from "../src/client/index.ts";
import { DEFINITIONS } from "../src/telemetry/index.ts";
import { credentials, writeServerFiles } from "./support/credentials.ts";
import { METRIC_READERS, metricNamesIn, metricNamesOf } from "./support/metric-names.ts";
import { startServer } from "./support/server.ts";
import { isTest, readSources } from "./support/sources.ts";

/** `/metrics` of a server that has been used a little, and once in vain. */
async function metricsOfUsedServer(t: Parameters<typeof startServer>[0]): Promise<string> {
  const files = await mkdtemp(join(tmpdir(), "proglog-certificates-"));
  t.after(() => rm(files, { recursive: true }));
  const made = await credentials();
  const { serverTlsCertFile, serverTlsKeyFile } = writeServerFiles(files, made);
  const tlsFiles = { serverTlsCertFile, serverTlsKeyFile };
  const agent = await startServer(t, { ...tlsFiles, healthPort: "auto" });
  const tls = { ca: made.authority.cert };
  await using client = connect(agent.rpcAddress, { tls });
  await client.produce({ value: Buffer.from("x") });
  await client.read(0);
  await assert.rejects(client.produce({ value: Buffer.from("x") }, { expectedOffset: 9 }));
  const response = await fetch(`http://${agent.healthAddress}/metrics`);
  return await response.text();
}

describe("metrics are exported that are named in", () => {
  for (const file of METRIC_READERS) {
    test(file, async (t) => {
      const named = metricNamesIn(file);
      assert.ok(named.size > 10, `${named.size} names`);
      const exported = metricNamesOf(await metricsOfUsedServer(t));
      assert.deepEqual(
        [...named].filter((name) => !exported.has(name)),
        [],
      );
    });
  }
});

test("every metric that a part tells of by name is in the catalogue", () => {
  const known = new Set(DEFINITIONS.map(({ name }) => name));
  const told = readSources("src")
    .filter(({ path }) => !isTest(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/[oO]bserver\.(?:count|gauge|measure)\(\s*"(\w+)"/g)].map(
        ([, name = ""]) => ({ path, name }),
      ),
    );
  assert.ok(told.length > 30, `${told.length} of them`);
  assert.deepEqual(
    told.filter(({ name }) => !known.has(name)),
    [],
  );
});

test("every metric is told of in the documents", async (t) => {
  const documented = metricNamesIn("docs/operating/observability.md");
  const exported = metricNamesOf(await metricsOfUsedServer(t));
  assert.deepEqual(
    [...exported].filter((name) => !documented.has(name)),
    [],
  );
});
