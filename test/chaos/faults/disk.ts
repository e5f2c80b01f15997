import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { below, chance } from "../../../src/base/index.ts";
import type { Random } from "../../../src/base/index.ts";
import type { Atlas } from "../atlas.ts";
import type { Place } from "../lab.ts";
import { commandExists } from "../../support/require.ts";
import type { Fault, Stage } from "./stage.ts";

const STOP_PATIENCE_MS = 20_000;
const CAUGHT_UP_PATIENCE_MS = 120_000;
/** Records that are kept when the rest is let go of. */
const KEPT_RECORDS = 50;
/** `EX_IOERR`: a server whose disk failed says so by this. */
const IO_FAILED = 74;

const needsMount: NonNullable<Fault["missing"]> = ({ disks }) =>
  disks.canFill ? undefined : "leave to mount";
const needsStrace = (): string | undefined =>
  commandExists("strace") ? undefined : "the program strace";

/** Faults of disks, one at a time: the atlas says when. */
export function diskFaults(atlas: Atlas): readonly Fault[] {
  const touching = async (
    stage: Stage,
    kind: string,
    work: (place: Place) => Promise<void>,
  ): Promise<boolean> => {
    if (!(await stage.until(() => atlas.isClear(), CAUGHT_UP_PATIENCE_MS))) return false;
    let touched: Place | undefined;
    await stage.holding(kind, async (place) => {
      atlas.touch(place.at);
      touched = place;
      await work(place);
    });
    if (touched === undefined) return false;
    await stage.until(() => atlas.isClear(), CAUGHT_UP_PATIENCE_MS);
    return true;
  };

  return [
    {
      kind: "wipe",
      lane: "disk",
      title: "killed, its directory emptied, started under the same name",
      async run(stage) {
        if (chance(stage.random, 0.6)) await letGoOfRecords(stage);
        let name = "";
        const happened = await touching(stage, "wipe", async (place) => {
          ({ name } = place);
          await stage.lab.end(place.at, "SIGKILL");
          stage.lab.disks.wipe(place.at);
          await stage.hold(0, 2_000);
          stage.lab.start(place.at);
        });
        // Who has nothing but what it was given is to lead next.
        if (happened && chance(stage.random, 0.6)) await transferTo(stage, name);
        return happened;
      },
    },
    {
      kind: "flip-stopped",
      lane: "disk",
      title: "bits turn over in a file of a stopped server",
      run: (stage) =>
        touching(stage, "flip-stopped", async ({ at, dataDir }) => {
          // After a stop in order all is durable: what is damaged at the end was promised, too.
          if (await stage.lab.stop(at, STOP_PATIENCE_MS)) {
            stage.target += `: ${turnBits(stage.random, dataDir, /\.(log|index|time)$|^raft/, false)}`;
          }
          stage.lab.start(at);
        }),
    },
    {
      kind: "flip-running",
      lane: "disk",
      title: "bits turn over in a sealed segment of a server that runs",
      run: (stage) =>
        touching(stage, "flip-running", ({ dataDir }) => {
          stage.target += `: ${turnBits(stage.random, dataDir, /\.log$/, true)}`;
          return Promise.resolve();
        }),
    },
    {
      kind: "full-disk",
      lane: "disk",
      title: "not a byte fits on the disk any more",
      missing: needsMount,
      run: (stage) =>
        touching(stage, "full-disk", async ({ at }) => {
          stage.lab.disks.fill(at);
          await stage.hold(1_000, 5_000);
          stage.lab.disks.empty(at);
        }),
    },
    {
      kind: "slow-fsync",
      lane: "disk",
      title: "each fdatasync takes long",
      missing: needsStrace,
      run: (stage) =>
        touching(stage, "slow-fsync", async (place) => {
          const delayMs = 20 + below(stage.random, 400);
          stage.target += ` by ${delayMs} ms`;
          await injecting(place, `delay_enter=${delayMs * 1_000}`, () => stage.hold(1_000, 5_000));
        }),
    },
    {
      kind: "failing-fsync",
      lane: "disk",
      title: "an fdatasync fails: the server ends, and is started again",
      missing: needsStrace,
      run: (stage) =>
        touching(stage, "failing-fsync", async (place) => {
          place.mayEnd = [IO_FAILED];
          await injecting(place, "error=EIO", () =>
            stage.until(() => place.server === undefined, 5_000).then(() => undefined),
          );
          if (place.server !== undefined) await stage.lab.end(place.at, "SIGKILL");
          place.mayEnd = [];
          await stage.hold(0, 1_000);
          stage.lab.start(place.at);
        }),
    },
  ];
}

/** So that who comes back empty is given a marker in place of the log's beginning. */
async function letGoOfRecords(stage: Stage): Promise<void> {
  const offset = stage.history.next - KEPT_RECORDS - below(stage.random, 10 * KEPT_RECORDS);
  if (offset <= 0) return;
  await using operator = stage.lab.operator();
  await operator.ask("DeleteBefore", { offset }).then(
    () => stage.history.deletedBefore(offset),
    () => stage.history.deletedBefore(offset),
  );
}

async function transferTo({ lab }: Stage, to: string): Promise<void> {
  await using operator = lab.operator();
  await operator.ask("TransferLeadership", { to }).catch(() => undefined);
}

/** Lets strace change the outcome of a running server's fdatasync as long as the work lasts. */
async function injecting(
  { server }: Place,
  outcome: string,
  work: () => Promise<void>,
): Promise<void> {
  if (server === undefined) return;
  const words = ["-f", "-p", String(server.pid), "-o", "/dev/null", "-e", "trace=fdatasync"];
  const tracer = spawn("strace", [...words, "-e", `inject=fdatasync:${outcome}`], {
    stdio: "ignore",
  });
  const ended = once(tracer, "close");
  try {
    await work();
  } finally {
    tracer.kill("SIGINT");
    await ended;
  }
}

/** Turns one to three bits over somewhere in one file; answers where. */
function turnBits(random: Random, dataDir: string, which: RegExp, sealedOnly: boolean): string {
  const folder = join(dataDir, "logs", "default");
  const names = readdirSync(folder).toSorted();
  const active = names.findLast((name) => name.endsWith(".log"));
  const chosen = names.filter((name) => which.test(name) && !(sealedOnly && name === active));
  const name = chosen[below(random, chosen.length)];
  if (name === undefined) return "nothing";
  const file = openSync(join(folder, name), "r+");
  try {
    const { size } = fstatSync(file);
    if (size === 0) return "nothing";
    const place = below(random, size);
    for (let n = 1 + below(random, 3); n > 0; n--) {
      const at = Math.min(size - 1, place + below(random, 64));
      const byte = Buffer.alloc(1);
      readSync(file, byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 << below(random, 8));
      writeSync(file, byte, 0, 1, at);
    }
    return `${name} at ${place}`;
  } finally {
    closeSync(file);
  }
}
