/**
 * # scenarios: what chance does not find
 *
 * Some failures need five events in one order, and no number of seeds brings them. Each script here
 * leads real cores, replicas or servers through one of them, step by step, under the same checkers as
 * the simulator.
 */
import type { Violation } from "../checkers/index.ts";

import { aBA } from "./a-b-a.ts";
import { cutAndPower } from "./cut.ts";
import { crashInCatchUp } from "./catch-up.ts";
import { damagedVoter, forgottenVote } from "./damaged-voter.ts";
import { deletions, uncommittedDeletion } from "./deletions.ts";
import { markerInstallation, shortLog } from "./engine.ts";
import { figure8 } from "./figure-8.ts";
import {
  readAfterAPause,
  readByAMinority,
  readOverADivergentLog,
  readWhileMembersChange,
} from "./fresh-reads.ts";
import { fullDisk } from "./full-disk.ts";
import { hangingDisk } from "./hanging-disk.ts";
import { jointLeaders } from "./joint-leaders.ts";
import { lateAcknowledgement } from "./late-acknowledgement.ts";
import { lateMarkers, markerWhileApplying } from "./late-markers.ts";
import { lateRound } from "./late-round.ts";
import { ledAgain } from "./led-again.ts";
import { livingNamesake } from "./living-namesake.ts";
import { lostMarker } from "./lost-marker.ts";
import { lowProbe } from "./low-probe.ts";
import { oldSnapshot } from "./old-snapshot.ts";
import { oneTurn } from "./one-turn.ts";
import { retentionAfterDeletion } from "./retention.ts";
import type * as serverScripts from "./servers.ts";
import { slowApplier } from "./slow-applier.ts";
import { takenBack } from "./taken-back.ts";
import { twoChanges } from "./two-changes.ts";
import { voteThenCrash } from "./vote-then-crash.ts";

type Scenario = () => readonly Violation[] | Promise<readonly Violation[]>;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "figure-8": figure8,
  "late-acknowledgement": lateAcknowledgement,
  "low-probe": lowProbe,
  "joint-leaders": jointLeaders,
  "late-round": lateRound,
  "damaged-voter": damagedVoter,
  "forgotten-vote": forgottenVote,
  "vote-then-crash": voteThenCrash,
  "two-changes": twoChanges,
  "slow-applier": slowApplier,
  "old-snapshot": oldSnapshot,
  "a-b-a": aBA,
  "marker-installation": markerInstallation,
  "short-log": shortLog,
  "cut-and-power": cutAndPower,
  "full-disk": fullDisk,
  "taken-back": takenBack,
  "lost-marker": lostMarker,
  deletions,
  "uncommitted-deletion": uncommittedDeletion,
  "one-turn": oneTurn,
  "retention-after-deletion": retentionAfterDeletion,
  "hanging-disk": hangingDisk,
  "led-again": ledAgain,
  "living-namesake": livingNamesake,
  "crash-in-catch-up": crashInCatchUp,
  "marker-while-applying": markerWhileApplying,
  "late-markers": lateMarkers,
  "read-after-a-pause": readAfterAPause,
  "read-by-a-minority": readByAMinority,
  "read-over-a-divergent-log": readOverADivergentLog,
  "read-while-members-change": readWhileMembersChange,
  "two-bootstraps": () => onServers((scripts) => scripts.twoBootstraps()),
  "called-failed": () => onServers((scripts) => scripts.calledFailed()),
  "removed-comes-back": () => onServers((scripts) => scripts.removedComesBack()),
  "ex-leader-is-asked": () => onServers((scripts) => scripts.exLeaderIsAsked()),
};

/** Whole servers are much to load, and most scripts are of less. */
async function onServers(
  play: (scripts: typeof serverScripts) => Promise<readonly Violation[]>,
): Promise<readonly Violation[]> {
  return play(await import("./servers.ts"));
}

/** Plays one; what it returns was violated. */
export async function runScenario(name: string): Promise<readonly Violation[]> {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new Error(`there is no scenario "${name}"`);
  try {
    return await scenario();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [{ rule: "assertion", message }];
  }
}
