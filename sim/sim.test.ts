/** The simulator on the code as it is: nothing may be violated, and one seed is one run. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { run, SUBJECTS, type RunResult } from "./run.ts";

/** How many; the whole replica costs ten times what its core does, and servers twice that. */
const SEEDS = { core: 50, replica: 50, cluster: 8 } as const;
/** How long the storms last. */
const MINUTES = { core: 0.5, replica: 0.2, cluster: 0.3 } as const;

function assertClean({ violations, lastEvents }: RunResult): void {
  assert.deepEqual(violations, [], lastEvents.join("\n"));
}

for (const subject of SUBJECTS) {
  describe(`the simulator, ${subject}`, () => {
    const seeds = SEEDS[subject];
    test(`${seeds} seeds`, async () => {
      const total = { appends: 0, acknowledged: 0, leaders: 0 };
      for (let seed = 1; seed <= seeds; seed++) {
        const replicas = seed % 2 === 0 ? 3 : 5;
        const result = await run({ seed, subject, replicas, minutes: MINUTES[subject] });
        assertClean(result);
        total.appends += result.appends;
        total.acknowledged += result.acknowledged;
        total.leaders += result.leaders;
      }
      const { appends, acknowledged, leaders } = total;
      assert.ok(acknowledged > appends / 5, `${acknowledged} of ${appends} were acknowledged`);
      assert.ok(leaders > seeds, `${leaders} led`);
    });

    test("one seed twice is one run, another seed another", async () => {
      const of = (seed: number): Promise<RunResult> =>
        run({ seed, subject, replicas: 3, minutes: MINUTES[subject] });
      const [first, again, other] = [await of(7), await of(7), await of(8)];
      assert.deepEqual(first, again);
      assert.notEqual(first.transcript, other.transcript);
    });
  });
}

for (const subject of ["replica", "cluster"] as const) {
  test(`the event loop's turn after every event, or after many, changes nothing: ${subject}`, async () => {
    const of = (isStrict: boolean): Promise<RunResult> =>
      run({ seed: 9, subject, replicas: 5, minutes: MINUTES[subject], isStrict });
    assert.deepEqual(await of(true), await of(false));
  });
}

describe("the command", () => {
  const sim = (...args: string[]): string =>
    execFileSync(
      process.execPath,
      ["--import", "tsx", join(import.meta.dirname, "main.ts"), ...args],
      { cwd: join(import.meta.dirname, ".."), encoding: "utf8" },
    );

  test("prints the same transcript in another process, as JSON in its last line", () => {
    const args = ["--seeds", "7", "--replicas", "3", "--minutes", "0.2", "--json"];
    const summary = JSON.parse(
      sim(...args)
        .trimEnd()
        .split("\n")
        .at(-1) ?? "",
    ) as {
      readonly violations: number;
      readonly transcript: string;
    };
    const again = JSON.parse(sim(...args)) as typeof summary;
    assert.equal(summary.violations, 0);
    assert.equal(summary.transcript, again.transcript);
  });
});
