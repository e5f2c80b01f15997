/** Pages that the disk does not give back: `EIO`, wherever they lie in the segment that is written to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom } from "../../src/base/index.ts";
import type { Log } from "../../src/log/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import { PAGE_BYTES } from "../../sim/disk/pages.ts";
import { ONE_SEGMENT, readEach, SEGMENT } from "./damage.ts";
import { appendBatch, openOn, prepare } from "./workload.ts";

const FILE = `${SEGMENT}.log`;
const PAGES = 6;

interface Killed {
  readonly disk: FaultDisk;
  readonly values: readonly string[];
}

/** A segment of some pages, as a process leaves it that was killed; with others, three vote. */
async function killed(withOthers: boolean): Promise<Killed> {
  const disk = new FaultDisk({ random: seededRandom(5) });
  await prepare(disk);
  const log = await openOn(disk, ONE_SEGMENT);
  const { configuration } = log.hardState;
  const voters = [1, 2, 3].map((replicaId) => ({ replicaId, name: `r${replicaId}` }));
  if (withOthers) {
    await log.saveHardState({ ...log.hardState, configuration: { ...configuration, voters } });
  }
  const values: string[] = [];
  while (log.sizeBytes < PAGES * PAGE_BYTES - 1_000) {
    values.push(`${values.length} ${"x".repeat(values.length % 300)}`);
    appendBatch(log, values.slice(-1));
    await log.sync();
  }
  return { disk: disk.kill("none"), values };
}

/** From now on this page of the segment cannot be read. */
function breakPage(disk: FaultDisk, page: number): void {
  const touching = page * PAGE_BYTES + PAGE_BYTES / 2;
  disk.inject({ kind: "read", path: FILE, touching, always: true }, { error: "EIO" });
}

async function goesOn(log: Log, found: readonly (string | undefined)[]): Promise<void> {
  appendBatch(log, ["after it"]);
  await log.sync();
  assert.deepEqual(await readEach(log), [...found, "after it"]);
}

describe("a page that cannot be read", () => {
  for (const withOthers of [false, true]) {
    const whose = withOthers ? "of one voter of three" : "of an only voter";
    test(`in the middle of the log ${whose} takes only what it held`, async () => {
      const from = await killed(withOthers);
      for (let page = 0; page < PAGES - 1; page++) {
        const disk = from.disk.clone();
        breakPage(disk, page);
        const log = await openOn(disk, ONE_SEGMENT);
        const found = await readEach(log);
        assert.equal(found.length, from.values.length, `page ${page}: nothing is cut`);
        const lost = found.filter((value) => value === undefined).length;
        assert.ok(lost > 0 && lost < from.values.length / 2, `page ${page}: ${lost} are lost`);
        for (const [offset, value] of found.entries()) {
          if (value !== undefined) assert.equal(value, from.values[offset]);
        }
        assert.equal(log.damage.length, 1);
        await goesOn(log, found);
      }
    });
  }

  test("at the end of the log of an only voter: it does not start, and nothing is cut", async () => {
    const { disk, values } = await killed(false);
    const broken = disk.clone();
    breakPage(broken, PAGES - 1);
    await assert.rejects(openOn(broken, ONE_SEGMENT), { code: "STORAGE_FAILED" });
    // The disk may give it back one day.
    const log = await openOn(broken.kill("none"), ONE_SEGMENT);
    assert.deepEqual(await readEach(log), values);
  });

  test("at the end, with others: it is damaged, durably, before that is cut", async () => {
    const { disk, values } = await killed(true);
    breakPage(disk, PAGES - 1);
    const calls = disk.callCount;
    const log = await openOn(disk, ONE_SEGMENT);
    const made = disk.calls
      .filter(({ number }) => number > calls)
      .map(({ kind, path }) => `${kind} ${path.split("/").at(-1) ?? ""}`);
    const cut = made.findIndex((call) => call.startsWith("truncate"));
    const saved = made.indexOf("sync raft.state");
    assert.ok(saved >= 0 && saved < cut, made.join(", "));
    assert.equal(log.hardState.damaged, true);
    assert.equal(log.recovery.tailLost, true);
    const found = await readEach(log);
    assert.ok(found.length > 0 && found.length < values.length);
    assert.deepEqual(found, values.slice(0, found.length));
    await goesOn(log, found);
    // It stays damaged until others say that it is whole.
    const next = await openOn(disk.kill("none"), ONE_SEGMENT);
    assert.equal(next.hardState.damaged, true);
    assert.equal(next.recovery.tailLost, false);
  });

  test("which can be read again a moment later costs nothing", async () => {
    const { disk, values } = await killed(false);
    disk.inject({ kind: "read", path: FILE, touching: PAGE_BYTES + 9 }, { error: "EIO" });
    const log = await openOn(disk, ONE_SEGMENT);
    assert.deepEqual(await readEach(log), values);
    assert.equal(log.damage.length, 0);
  });
});
