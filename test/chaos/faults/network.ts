import { below, chance } from "../../../src/base/index.ts";
import type { Random } from "../../../src/base/index.ts";
import type { Lab, Place } from "../lab.ts";
import type { Fault, Stage } from "./stage.ts";

const HOLD_MS_MIN = 1_000;
const HOLD_MS_MAX = 7_000;

function cutBoth({ wires }: Lab, a: Place, b: Place): void {
  wires.cut(a.at, b.at);
  wires.cut(b.at, a.at);
}

async function holdAndHeal(stage: Stage): Promise<boolean> {
  await stage.hold(HOLD_MS_MIN, HOLD_MS_MAX);
  stage.lab.wires.heal();
  return true;
}

/** All servers in a random order, often with the leader first. */
function shuffled({ lab, watch, random }: Stage): Place[] {
  const places = [...lab.core];
  for (let at = places.length - 1; at > 0; at--) swap(places, at, below(random, at + 1));
  const leader = watch.leader();
  const at = leader === undefined ? -1 : places.indexOf(leader);
  if (at > 0 && chance(random, 0.6)) swap(places, 0, at);
  return places;
}

function swap(places: Place[], a: number, b: number): void {
  const [first, second] = [places[a] as Place, places[b] as Place];
  places[a] = second;
  places[b] = first;
}

function between(random: Random, low: number, high: number): number {
  return low + below(random, high - low + 1);
}

const names = (places: readonly Place[]): string => places.map(({ name }) => name).join(", ");

/** Clients are cut off from nobody: they hear what a server says that has lost the others. */
export const NETWORK_FAULTS: readonly Fault[] = [
  {
    kind: "partition",
    lane: "network",
    title: "a minority is cut off, both ways",
    run(stage) {
      const places = shuffled(stage);
      const minority = places.splice(0, between(stage.random, 1, (places.length - 1) >> 1));
      stage.target = names(minority);
      for (const inside of minority) for (const other of places) cutBoth(stage.lab, inside, other);
      return holdAndHeal(stage);
    },
  },
  {
    kind: "one-way",
    lane: "network",
    title: "one server is not heard, or does not hear",
    run(stage) {
      const [one, ...others] = shuffled(stage);
      if (one === undefined) return Promise.resolve(false);
      const isDeaf = chance(stage.random, 0.5);
      stage.target = `${one.name} ${isDeaf ? "hears nobody" : "is not heard"}`;
      for (const { at } of others) {
        if (isDeaf) stage.lab.wires.cut(at, one.at);
        else stage.lab.wires.cut(one.at, at);
      }
      return holdAndHeal(stage);
    },
  },
  {
    kind: "partial",
    lane: "network",
    title: "two servers are cut apart, and all others see both",
    run(stage) {
      const [a, b] = shuffled(stage);
      if (a === undefined || b === undefined) return Promise.resolve(false);
      stage.target = names([a, b]);
      cutBoth(stage.lab, a, b);
      return holdAndHeal(stage);
    },
  },
  {
    kind: "slow-link",
    lane: "network",
    title: "what one server sends is slow and partly lost",
    run(stage) {
      const [one] = shuffled(stage);
      if (one === undefined) return Promise.resolve(false);
      stage.target = one.name;
      const bytesPerSecond = between(stage.random, 30_000, 200_000);
      const lossPercent = between(stage.random, 0, 10);
      stage.lab.wires.slow(one.at, { bytesPerSecond, waitMsMax: 400, lossPercent });
      return holdAndHeal(stage);
    },
  },
  {
    kind: "flapping",
    lane: "network",
    title: "one server is cut off and back, once a second",
    async run(stage) {
      const [one, ...others] = shuffled(stage);
      if (one === undefined) return false;
      stage.target = one.name;
      for (let n = between(stage.random, 2, 5); n > 0 && !stage.isOver; n--) {
        for (const other of others) cutBoth(stage.lab, one, other);
        await stage.hold(400, 700);
        stage.lab.wires.heal();
        await stage.hold(400, 700);
      }
      return true;
    },
  },
];
