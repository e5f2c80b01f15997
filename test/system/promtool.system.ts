/** Prometheus' own judge of what is exported and of the rules about it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { connect } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { commandExists, skipUnless } from "../support/require.ts";
import { root } from "../support/root.ts";
import { AgentProcess } from "./support/agent.ts";

const RULES = join(root, "deploy", "prometheus-rules.yaml");
const hasPromtool = skipUnless(commandExists("promtool"), "the program promtool");

function promtool(args: readonly string[], input = ""): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync("promtool", args, { input, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

describe("promtool", hasPromtool, () => {
  test("finds nothing wrong with the text of /metrics", async (t) => {
    const agent = new AgentProcess({ dataDir: join(makeFolder(t), "data") });
    const address = await agent.ready;
    try {
      await using client = connect(address);
      for (let n = 0; n < 10; n++) await client.produce({ value: Buffer.from("x") });
      await client.read(3);
      await assert.rejects(client.read(99));
      const metrics = await (await fetch(`http://${address}/metrics`)).text();
      assert.match(metrics, /^proglog_appended_records_total 10$/m);
      assert.deepEqual(promtool(["check", "metrics"], metrics), { status: 0, said: "" });
    } finally {
      agent.signal("SIGTERM");
      await agent.ended;
    }
  });

  test("finds something wrong where something is", () => {
    const { status } = promtool(["check", "metrics"], "# TYPE things counter\nthings 1\n");
    assert.notEqual(status, 0);
  });

  test("takes the rules", () => {
    const { status, said } = promtool(["check", "rules", RULES]);
    assert.equal(status, 0, said);
    assert.match(said, /SUCCESS: \d+ rules found/);
  });

  test("sees the alerts that a series should raise, and no others", (t) => {
    const file = join(makeFolder(t), "rules.test.json");
    writeFileSync(file, JSON.stringify(rulesTest()));
    const { status, said } = promtool(["test", "rules", file]);
    assert.equal(status, 0, said);
  });
});

interface Expected {
  readonly exp_labels: Readonly<Record<string, string>>;
  readonly exp_annotations: Readonly<Record<string, string>>;
}

/** An hour of two servers: one is well; the other fails one call in ten, and its disk fills up. */
function rulesTest(): unknown {
  const well = 'instance="well",job="proglog"';
  const ill = 'instance="ill",job="proglog"';
  const steady = (value: number): string => `${value}x60`;
  const series = (name: string, values: string): unknown => ({ series: name, values });
  const alert = (alertname: string, expected: readonly Expected[]): unknown => ({
    eval_time: "30m",
    alertname,
    exp_alerts: expected,
  });
  const severity = (word: string, job = "proglog"): Record<string, string> => ({
    severity: word,
    instance: "ill",
    job,
  });
  return {
    rule_files: [RULES],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: [
          series(`up{${well}}`, steady(1)),
          series(`up{${ill}}`, steady(1)),
          series(`proglog_ready{${well}}`, steady(1)),
          series(`proglog_ready{${ill}}`, steady(0)),
          series(`proglog_leader{${well}}`, steady(1)),
          series(`proglog_leader{${ill}}`, steady(0)),
          series(`proglog_calls_total{${well},code="OK"}`, "0+600x60"),
          series(`proglog_calls_total{${ill},code="OK"}`, "0+540x60"),
          series(`proglog_calls_total{${ill},code="INTERNAL"}`, "0+60x60"),
          series(`proglog_log_free_bytes{${well}}`, "100000000000x60"),
          series(`proglog_log_free_bytes{${ill}}`, "20000000000-500000000x60"),
        ],
        alert_rule_test: [
          alert("ProglogDown", []),
          alert("ProglogNoLeader", []),
          alert("ProglogNotReady", [
            {
              exp_labels: severity("critical"),
              exp_annotations: {
                summary: "ill runs, and says it should not be given work",
              },
            },
          ]),
          alert("ProglogServerErrors", [
            {
              exp_labels: { severity: "warning", instance: "ill" },
              exp_annotations: { summary: "ill fails 10% of its calls" },
            },
          ]),
          alert("ProglogDiskFillsUp", [
            {
              exp_labels: severity("warning"),
              exp_annotations: {
                summary: "The disk of ill is or will soon be full; then appends are refused",
              },
            },
          ]),
        ],
      },
    ],
  };
}
