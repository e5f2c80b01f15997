import { createHash } from "node:crypto";
import { ProglogError } from "../../src/base/index.ts";
import type { Holding } from "../../sim/checkers/index.ts";
import { setClock } from "./clocks.ts";
import { retire } from "./faults/members.ts";
import type { Lab } from "./lab.ts";
import type { History } from "./load/history.ts";
import { nameOf } from "./load/history.ts";
import { textIn } from "./load/readers.ts";
import { readDirectory, recordsOf } from "./segment-reader.ts";
import type { Watch } from "./watch.ts";
import { waitUnless } from "./wait.ts";

const HEALED_PATIENCE_MS = 180_000;
const READ_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 40_000;
/** No log of a run is as long. */
const FAR = 1_000_000_000;

/** What everybody holds when all is over. */
export interface Drained {
  readonly next: number;
  readonly lowest: number;
  readonly holdings: readonly Holding[];
  /** How long it took until all were whole again. */
  readonly healedMs: number;
}

/** Takes back everything that is wrong; resolves when all servers take part again, with all records. */
export async function heal(lab: Lab, watch: Watch, history: History): Promise<number> {
  const begun = performance.now();
  lab.wires.heal();
  for (const { at, clockFile, server } of lab.places) {
    setClock(clockFile, 0);
    server?.signal("SIGCONT");
    if (server === undefined && at < lab.replicas) lab.start(at);
  }
  const late = AbortSignal.timeout(HEALED_PATIENCE_MS);
  await retire(lab, watch, late);
  let index: number | undefined;
  const isHealed = (): boolean =>
    watch.members().length === lab.replicas &&
    lab.core.every(({ at }) => watch.hasCaughtUp(at, index ?? Infinity)) &&
    lab.core.every(({ dataDir }) => readDirectory(dataDir).damage.length === 0);
  while (!isHealed() && !late.aborted) {
    await waitUnless(100, late);
    index ??= watch.commitIndex();
    for (const { at, server } of lab.core) if (server === undefined) lab.start(at);
  }
  if (late.aborted) {
    const members = watch.members().map(({ name, role, matchedIndex, silentMs }) => {
      return `${name} ${role} has ${matchedIndex ?? "?"}, heard ${silentMs ?? "?"} ms ago`;
    });
    const damaged = lab.core.flatMap(({ name, dataDir }) =>
      readDirectory(dataDir).damage.map((what) => `${name}: ${what}`),
    );
    const facts = [...members, ...damaged.slice(0, 5)].join("; ");
    const seconds = HEALED_PATIENCE_MS / 1_000;
    const committed = index ?? "nothing";
    history.violate("L1", `not whole ${seconds} s after all was healed, ${committed}: ${facts}`);
  }
  return performance.now() - begun;
}

/** Reads everything back from everybody, ends them all, and reads their files. */
export async function drain(lab: Lab, history: History, healedMs: number): Promise<Drained> {
  const next = await freshEnd(lab, history);
  const holdings: Holding[] = [];
  const digests = new Set<string>();
  for (const { at } of lab.core) {
    const { holding, digest } = await readBack(lab, at, next, history);
    holdings.push(holding);
    digests.add(digest);
  }
  if (digests.size !== 1) history.violate("D1", "the servers hand out different bytes");
  for (const { at, name } of lab.core) {
    if (await lab.stop(at, STOP_PATIENCE_MS)) continue;
    history.violate("X2", `${name} does not end in order in ${STOP_PATIENCE_MS / 1_000} s`);
  }
  compareFiles(lab, holdings, history);
  return { next, lowest: holdings[0]?.from ?? 0, holdings, healedMs };
}

/** Where the log ends, by a linearizable read. */
async function freshEnd(lab: Lab, history: History): Promise<number> {
  await using client = lab.client();
  const invokedAt = history.moment();
  try {
    await client.read(FAR, { consistency: "linearizable" });
  } catch (caught) {
    const { code, details } = ProglogError.from(caught);
    if (code !== "OFFSET_OUT_OF_RANGE") throw caught;
    const next = Number(details["next"]);
    history.tail(next, invokedAt);
    return next;
  }
  throw new Error(`there is a record at ${FAR}`);
}

async function readBack(
  lab: Lab,
  at: number,
  next: number,
  history: History,
): Promise<{ readonly holding: Holding; readonly digest: string }> {
  const late = AbortSignal.timeout(READ_PATIENCE_MS);
  for (;;) {
    await using client = lab.only(at);
    try {
      const { lowest } = await client.offsets();
      const values: string[] = [];
      for await (const record of client.records({ from: lowest, limit: next - lowest })) {
        const text = textIn(record);
        history.saw(record.offset, text);
        values.push(nameOf(text) ?? text);
      }
      const hash = createHash("sha256");
      for await (const batches of client.batches({ from: lowest, limit: next - lowest })) {
        for (const batch of batches) hash.update(batch);
      }
      const holding = { replica: at, from: lowest, values };
      if (lowest + values.length === next || late.aborted) {
        return { holding, digest: hash.digest("base64") };
      }
    } catch (caught) {
      if (late.aborted) throw caught;
    }
    await waitUnless(200, late);
  }
}

/** The files of all, by a reader that knows the format and not the engine. */
function compareFiles(lab: Lab, holdings: readonly Holding[], history: History): void {
  const digests = new Map<number, string>();
  for (const { at, name, dataDir } of lab.core) {
    const found = readDirectory(dataDir);
    for (const what of found.damage) history.violate("D2", `${name}: ${what}`);
    for (const { index, digest } of found.entries) {
      const other = digests.get(index);
      if (other !== undefined && other !== digest) {
        history.violate("D2", `${name} has another entry ${index} in its files`);
      }
      digests.set(index, digest);
    }
    const { from = 0, values = [] } = holdings.find(({ replica }) => replica === at) ?? {};
    const inFiles = new Map(recordsOf(found).map(({ offset, value }) => [offset, nameOf(value)]));
    values.forEach((value, n) => {
      if (inFiles.get(from + n) === value) return;
      const there = inFiles.get(from + n) ?? "nothing";
      history.violate(
        "D2",
        `${name} handed out "${value}" at ${from + n}, its files have ${there}`,
      );
    });
  }
}
