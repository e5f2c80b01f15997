import assert from "node:assert/strict";
import type { Proof } from "../prove/proof.ts";
import { total } from "../prove/proof.ts";
import { measureMistakes } from "../../sim/gossip/index.ts";
import type { Trouble } from "../../sim/gossip/index.ts";

const MEMBERS = 500;
const MINUTES = 2;
/** Of a member in an hour, over all parts of one trouble. */
const FALSE_FAILURES_MAX = 1;

const TROUBLES: readonly (readonly [name: string, trouble: Trouble])[] = [
  ["30 % loss", { loss: 0.3, pausesPerMinute: 0, pauseMs: 0 }],
  ["pauses of 2 s, one a minute", { loss: 0, pausesPerMinute: 1, pauseMs: 2_000 }],
];
const SEEDS = 4;

export const proof: Proof = {
  name: "gossip-false-failures",
  title: `${MEMBERS} members, each seed ${MINUTES} simulated minutes: how often the living are taken for dead`,
  parts: TROUBLES.length * SEEDS,
  isInProcess: true,
  run(part) {
    const at = part % TROUBLES.length;
    const [name, trouble] = TROUBLES[at] ?? assert.fail();
    const found = measureMistakes(
      MEMBERS,
      MINUTES,
      1 + Math.floor(part / TROUBLES.length),
      trouble,
    );
    // One part is short: it may be above the bound by chance, but not far.
    assert.ok(found.falseFailuresPerMemberHour <= 3 * FALSE_FAILURES_MAX, `${name}, part ${part}`);
    const { memberHours, falseFailures } = found;
    return Promise.resolve({ [`hours${at}`]: memberHours, [`failures${at}`]: falseFailures });
  },
  summary(parts) {
    const told = TROUBLES.flatMap(([name], at) => {
      const hours = total(parts, `hours${at}`);
      const failures = total(parts, `failures${at}`);
      if (hours === 0) return [];
      const rate = failures / hours;
      const bound = rate <= FALSE_FAILURES_MAX ? "" : `, ABOVE the bound of ${FALSE_FAILURES_MAX}`;
      return [
        `${name}: ${failures} in ${hours.toFixed(1)} member-hours, ${rate.toFixed(2)}${bound}`,
      ];
    });
    return told.join("; ");
  },
};
