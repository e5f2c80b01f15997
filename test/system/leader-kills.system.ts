/** `kill -9` of the leader of three, again and again, under load. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFolder } from "../support/program.ts";
import { killLeaders } from "./support/leader-kills.ts";

const KILLS = 20;

test(`${KILLS} leaders are killed: nothing acknowledged is lost, and all servers are alike`, async (t) => {
  const { acknowledged, unanswered, refused, gapsMs } = await killLeaders(makeFolder(t), KILLS, 1);
  const [median = 0, longest = 0] = [gapsMs[gapsMs.length >> 1], gapsMs.at(-1)];
  t.diagnostic(
    `${KILLS} kills, ${acknowledged} records acknowledged, 0 lost; ${unanswered} unanswered, ` +
      `${refused} refused; gaps ${median.toFixed(0)} ms in the middle, ${longest.toFixed(0)} at most`,
  );
  assert.ok(acknowledged > 10 * KILLS, "the writers got their turns");
});
