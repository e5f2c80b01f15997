/** A real file system that is full, of the leader and of a follower: appends are refused, and nothing is lost. */
import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { limits, ProglogError } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { skipUnless } from "../support/require.ts";
import { ClusterProcesses } from "./support/cluster.ts";
import { Journal } from "./support/journal.ts";
import { endAlike } from "./support/leader-kills.ts";
import { canMount, fill, mountTmpfs } from "./support/mounts.ts";

const MiB = 1 << 20;
const PLACES = [0, 1, 2] as const;
const PATIENCE_MS = 30_000;
const PAUSE_MS = 20;
/** Tells at once what the server says, instead of trying again. */
const ONCE = { retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 } };

test(
  "three servers: the disk of one is full to the last byte, and has room again",
  skipUnless(canMount(), "root that may mount"),
  async (t) => {
    const folder = makeFolder(t);
    const disks = PLACES.map((at) => {
      const disk = mountTmpfs(t, limits.freeBytesMin + 24 * MiB);
      symlinkSync(disk, join(folder, `server-${at}`));
      return disk;
    });
    await using cluster = await ClusterProcesses.start({
      folder,
      flags: ["--segment-bytes", "1MiB"],
    });
    await using client = connect(cluster.addresses.join(","), ONCE);
    const journal = new Journal();
    let next = 0;

    /** Appends until it is as wanted: `refused`, with the error that said so, or not. */
    const append = async (until: "taken" | "refused"): Promise<string> => {
      const end = performance.now() + PATIENCE_MS;
      for (;;) {
        const value = `${next++}:${"v".repeat(2_000)}`;
        let refusal: string | undefined;
        try {
          const { offset } = await client.produce({ value: Buffer.from(value) });
          journal.promise(offset, value);
        } catch (caught) {
          const error = ProglogError.from(caught);
          journal.noPromise(value, error.notAppended);
          if (error.code === "RESOURCE_EXHAUSTED" && error.notAppended) refusal = error.message;
        }
        if (until === "refused" && refusal !== undefined) return refusal;
        if (until === "taken" && refusal === undefined && journal.acknowledged > before) return "";
        assert.ok(performance.now() < end, `it is not ${until}`);
        await sleep(PAUSE_MS);
      }
    };
    let before = 0;
    const appendSome = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) {
        before = journal.acknowledged;
        await append("taken");
      }
    };
    const compare = async (places: readonly number[]): Promise<void> => {
      for (const at of places) {
        await using only = cluster.only(at);
        await journal.compare(only, "all");
      }
    };

    for (const whose of ["the leader", "a follower"] as const) {
      await t.test(`${whose}'s disk is full`, async () => {
        await appendSome();
        await cluster.untilEven();
        const leader = await cluster.leader();
        const at = whose === "the leader" ? leader : (leader + 1) % 3;
        const ballast = fill(disks[at] ?? assert.fail(), 0);
        const why = await append("refused");
        assert.match(why, /disk/);
        await cluster.server(at).says(/"log\.disk-nearly-full"/);
        // It may lack what was written while its disk filled up; the two others have it.
        const others = PLACES.filter((place) => place !== at);
        await compare(others);
        if (whose === "a follower") {
          // It can be started on a full disk, too.
          await cluster.end(at, "SIGKILL");
          await cluster.run(at);
          await append("refused");
          await compare(others);
        }
        rmSync(ballast);
        await appendSome();
        await cluster.untilEven();
        await compare(PLACES);
      });
    }
    assert.ok(journal.refused > 0 && journal.acknowledged >= 200);
    await endAlike(cluster);
  },
);
