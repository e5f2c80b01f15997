import { below, chance } from "../../../src/base/index.ts";
import { setClock } from "../clocks.ts";
import type { Fault } from "./stage.ts";

const HOUR_MS = 3_600_000;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 5_000, -5_000];
const STOP_PATIENCE_MS = 20_000;
const READY_PATIENCE_MS = 15_000;

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    kind: "kill",
    lane: "process",
    title: "kill -9, started again",
    run: (stage) =>
      stage.holding("kill", async ({ at }) => {
        await stage.lab.end(at, "SIGKILL");
        await stage.hold(0, 3_000);
        stage.lab.start(at);
      }),
  },
  {
    kind: "kill-all",
    lane: "process",
    title: "kill -9 of everybody at once",
    async run(stage) {
      const { lab } = stage;
      const free = lab.core.filter(
        ({ server, holder }) => server !== undefined && holder === undefined,
      );
      stage.target = free.map(({ name }) => name).join(", ");
      for (const place of free) place.holder = "kill-all";
      await Promise.all(free.map(({ at }) => lab.end(at, "SIGKILL")));
      for (const place of free) {
        lab.start(place.at);
        place.holder = undefined;
      }
      return free.length > 0;
    },
  },
  {
    kind: "pause",
    lane: "process",
    title: "SIGSTOP, and SIGCONT later",
    run: (stage) =>
      stage.holding("pause", async ({ server }) => {
        server?.signal("SIGSTOP");
        await stage.hold(200, 6_000);
        server?.signal("SIGCONT");
      }),
  },
  {
    kind: "rolling-restart",
    lane: "process",
    title: "all stopped in order and started again, one by one",
    async run(stage) {
      const { lab, watch } = stage;
      stage.target = "everybody";
      for (const place of lab.core) {
        if (stage.isOver) break;
        if (place.server === undefined || place.holder !== undefined) continue;
        place.holder = "rolling-restart";
        await lab.stop(place.at, STOP_PATIENCE_MS);
        lab.start(place.at);
        place.holder = undefined;
        await stage.until(() => (watch.status(place.at)?.leader ?? "") !== "", READY_PATIENCE_MS);
      }
      return true;
    },
  },
  {
    kind: "clock-jump",
    lane: "process",
    title: "the wall clock of one server jumps, and back",
    run: (stage) =>
      stage.holding("clock-jump", async (place) => {
        const jumpMs = JUMPS_MS[below(stage.random, JUMPS_MS.length)] ?? 0;
        stage.target += ` by ${jumpMs / 1_000} s`;
        setClock(place.clockFile, jumpMs);
        await stage.hold(500, 4_000);
        // Under a load of other faults: it may be killed with the wrong time, and come back with it.
        if (chance(stage.random, 0.3)) {
          await stage.lab.end(place.at, "SIGKILL");
          stage.lab.start(place.at);
          await stage.hold(500, 2_000);
        }
        setClock(place.clockFile, 0);
      }),
  },
];
