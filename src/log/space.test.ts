import assert from "node:assert/strict";
import { test } from "node:test";
import { hearing } from "../../test/support/heard.ts";
import { realDisk } from "./index.ts";
import { resolveLogOptions } from "./options.ts";
import { SpaceGuard } from "./space.ts";

test("room that becomes short is told once, and once that there is room again", async () => {
  let free = 2_000;
  const heard = hearing();
  const space = new SpaceGuard(
    resolveLogOptions({
      ...{ directory: "nowhere", freeBytesMin: 1_000, segmentBytesMax: 1_000 },
      disk: { ...realDisk, free: () => Promise.resolve(free) },
      observer: heard.observer,
    }),
  );
  const told: string[][] = [];
  for (free of [2_000, 999, 500, 1_000, 1_500, 10]) {
    const before = heard.events.length;
    await space.refresh();
    assert.equal(space.admission() === undefined, free >= 1_000);
    told.push(heard.events.slice(before).map(({ event }) => event));
  }
  const [short, room] = ["log.disk-nearly-full", "log.disk-has-room"];
  assert.deepEqual(told, [[], [short], [], [room], [], [short]]);
  assert.deepEqual(heard.events[0]?.fields, { free_bytes: 999, reserve_bytes: 1_000 });
});
