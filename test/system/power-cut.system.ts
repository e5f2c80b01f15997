/** A power cut under a real file system: ext4 on an image, of which a copy is all that is left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { skipUnless } from "../support/require.ts";
import { canMountImages, cutPower } from "./support/power-cuts.ts";

const POWER_CUTS = 10;

const needsImages = skipUnless(canMountImages(), "root, loop devices and mkfs.ext4");

test(
  `${POWER_CUTS} power cuts under ext4: nothing acknowledged is lost`,
  needsImages,
  async (t) => {
    const acknowledged = await cutPower(4, POWER_CUTS);
    t.diagnostic(`${POWER_CUTS} power cuts, ${acknowledged} records acknowledged, 0 lost`);
    assert.ok(acknowledged > 10 * POWER_CUTS, `${acknowledged} records were acknowledged`);
  },
);
