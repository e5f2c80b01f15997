import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/index.ts";
import { fuzzFrames } from "./testing/gossip-fuzz.ts";
import { serfFrames } from "./testing/serf-frames.ts";

/** `npm run prove` and a patient reader give more. */
const COUNT = 10_000;

test(`${COUNT} changed frames of real agents: each is answered, none throws`, () => {
  const { understood, refused } = fuzzFrames(serfFrames(), COUNT, seededRandom(5));
  // If everything or nothing came through, the changes would be too weak or too strong to tell much.
  assert.ok(understood > COUNT / 50 && refused > COUNT / 4, `${understood} understood`);
});
