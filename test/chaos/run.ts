import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/base/index.ts";
import { root } from "../support/root.ts";
import { drain, heal } from "./drain.ts";
import type { Drained } from "./drain.ts";
import { judge } from "./judge.ts";
import { Lab } from "./lab.ts";
import { History } from "./load/history.ts";
import { consumer, freshReader } from "./load/readers.ts";
import { conditionalWriter, idempotentWriter, plainWriter } from "./load/writers.ts";
import type { Load } from "./load/writers.ts";
import { Nemesis } from "./nemesis.ts";
import { checkVacuity, figuresOf, secondRows } from "./outcome.ts";
import type { Outcome } from "./outcome.ts";
import { plantedMain } from "./planted.ts";
import { waitUnless } from "./wait.ts";
import type { Wires } from "./wires.ts";
import { Watch } from "./watch.ts";

export interface RunOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly replicas: number;
  /** Of a planted mistake; absent: none. */
  readonly bug?: string | undefined;
  /** Kinds of faults; absent: all. */
  readonly only?: readonly string[] | undefined;
  /** Absent: the better one that this machine has. */
  readonly wires?: Wires["kind"] | undefined;
  /** Empty, on a disk; what the servers said stays there. */
  readonly folder: string;
  /** Ends the run; nothing is left, and nothing is judged. */
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((line: string) => void) | undefined;
}

/** The servers as they are built: they start twice as fast as from their sources. */
const MAIN = join(root, "dist", "cli", "main.js");
const FORMED_PATIENCE_MS = 120_000;
const WRITERS_PATIENCE_MS = 90_000;
const PROGRESS_MS = 10_000;

/** A storm over real servers under load, its end, and the judgement. */
export async function run(options: RunOptions): Promise<Outcome> {
  const { replicas, folder, bug } = options;
  const main = bug === undefined ? MAIN : await plantedMain(bug, join(folder, "planted"));
  const lab = await Lab.open({ folder, replicas, main, wires: options.wires });
  try {
    return await Promise.race([storm(lab, options), ended(options.signal)]);
  } finally {
    await lab.close();
  }
}

/** Rejects when the signal is aborted, and never resolves. */
function ended(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(new Error("the run was ended")));
  });
}

async function storm(lab: Lab, options: RunOptions): Promise<Outcome> {
  const { seed, minutes } = options;
  for (const { at } of lab.core) lab.start(at);
  const history = new History();
  const watch = new Watch(lab, () => history.nowMs);
  const [over, writersOver] = [new AbortController(), new AbortController()];
  const nemesis = new Nemesis({
    ...{ lab, watch, history, seed, only: options.only },
    signal: over.signal,
  });
  let drained: Drained | undefined;
  let healedMs = 0;
  let stormSeconds = 0;
  const begun = performance.now();
  try {
    await formed(lab, watch);
    const clients = load(lab, history, seed, writersOver.signal);
    const telling = tell(options, history, watch, nemesis, over.signal);
    const end = setTimeout(() => over.abort(), minutes * 60_000);
    try {
      const stormBegun = performance.now();
      await Promise.race([nemesis.run(), clients]);
      stormSeconds = (performance.now() - stormBegun) / 1_000;
      healedMs = await heal(lab, watch, history);
    } finally {
      clearTimeout(end);
      over.abort();
      writersOver.abort();
    }
    await telling;
    await within(WRITERS_PATIENCE_MS, clients, () =>
      history.violate("L2", "clients wait for an answer, and nothing is wrong any more"),
    );
    drained = await drain(lab, history, healedMs);
  } catch (error) {
    over.abort();
    writersOver.abort();
    history.violate("X0", error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await watch.close();
  }
  for (const what of lab.surprises) history.violate("X1", what);
  const { events, possible, missing } = nemesis;
  const measured = { stormSeconds, healedMs, events, leaderships: watch.leaderships };
  const figures = figuresOf(history, measured);
  const violations = [...judge(history, drained), ...checkVacuity(figures, possible.length)];
  options.progress?.(`${Math.round((performance.now() - begun) / 1_000)} s in all`);
  const { bug, replicas } = options;
  return {
    ...{ seed, minutes, replicas, bug, missing, figures, violations, events },
    command: commandOf(options),
    wires: lab.wires.kind,
    faultCounts: countsOf(events.map(({ kind }) => kind)),
    leaderships: watch.leaderships,
    seconds: secondRows(history),
  };
}

/** All vote, and somebody leads. */
async function formed(lab: Lab, watch: Watch): Promise<void> {
  const late = AbortSignal.timeout(FORMED_PATIENCE_MS);
  while (!lab.core.every(({ at }) => watch.hasCaughtUp(at, 0))) {
    if (late.aborted) throw new Error(`no cluster after ${FORMED_PATIENCE_MS / 1_000} s`);
    await sleep(100);
  }
}

/** All clients together; rejects when one of them fails as none may. */
function load(lab: Lab, history: History, seed: number, signal: AbortSignal): Promise<unknown> {
  let count = 0;
  const next = (): Load => ({
    ...{ history, signal, random: seededRandom(seed * 1_000 + count++) },
    client: (timeoutMs) => lab.client(timeoutMs),
  });
  const writers = [idempotentWriter, plainWriter, conditionalWriter].flatMap((write) =>
    [0, 1].map((n) => write(next(), `${write.name.replace("Writer", "")}-${n}`)),
  );
  const readers = [
    consumer(next(), "tail", false),
    consumer(next(), "behind", true),
    freshReader(next(), lab.client()),
    ...lab.core.map(({ at }) => freshReader(next(), lab.only(at))),
  ];
  return Promise.all([...writers, ...readers]);
}

async function tell(
  { progress }: RunOptions,
  history: History,
  watch: Watch,
  nemesis: Nemesis,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await waitUnless(PROGRESS_MS, signal);
    const { idempotent, plain, conditional } = history.tally;
    const acknowledged = idempotent + plain + conditional;
    const seconds = Math.round(history.nowMs / 1_000);
    const changes = Math.max(0, watch.leaderships.length - 1);
    progress?.(
      `${seconds} s: ${acknowledged} acknowledged, ${changes} changes of the leader, ${nemesis.events.length} faults`,
    );
  }
}

async function within(ms: number, work: Promise<unknown>, late: () => void): Promise<void> {
  const end = new AbortController();
  const patience = waitUnless(ms, end.signal).then(() => {
    if (!end.signal.aborted) late();
  });
  try {
    await Promise.race([work, patience]);
  } finally {
    end.abort();
  }
}

function commandOf({ minutes, seed, replicas, bug, only, wires }: RunOptions): string {
  const network = wires === undefined ? "" : ` --wires ${wires}`;
  const planted = bug === undefined ? "" : ` --bug ${bug}`;
  const faults = only === undefined ? "" : ` --faults ${only.join(",")}`;
  return `npm run chaos -- --minutes ${minutes} --seed ${seed} --replicas ${replicas}${faults}${network}${planted}`;
}

function countsOf(kinds: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of kinds.toSorted()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
