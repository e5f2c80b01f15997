/** What a cluster costs and how often it is wrong, in figures that `npm run prove` compares and the docs print. */
import { below, chance, seededRandom } from "../../src/base/index.ts";
import { type Cluster, startCluster } from "./cluster.ts";

/** Per member. */
export interface Cost {
  readonly members: number;
  readonly packetsPerSecond: number;
  readonly packetBytesPerSecond: number;
  readonly streamsPerMinute: number;
  readonly streamBytesPerSecond: number;
}

/** A quiet cluster: what each member sends, on average over `seconds`. */
export function measureCost(members: number, seconds: number, seed: number): Cost {
  const cluster = startCluster(members, { seed });
  // Until the news of the joins have been told often enough to be dropped.
  cluster.run(60_000);
  for (const { traffic } of cluster.members.values()) {
    Object.assign(traffic, { packets: 0, packetBytes: 0, streams: 0, streamBytes: 0 });
  }
  cluster.run(seconds * 1_000);
  const sum = { packets: 0, packetBytes: 0, streams: 0, streamBytes: 0 };
  for (const { traffic } of cluster.members.values()) {
    for (const key of ["packets", "packetBytes", "streams", "streamBytes"] as const) {
      sum[key] += traffic[key];
    }
  }
  const memberSeconds = members * seconds;
  return {
    members,
    packetsPerSecond: sum.packets / memberSeconds,
    packetBytesPerSecond: sum.packetBytes / memberSeconds,
    streamsPerMinute: (60 * sum.streams) / memberSeconds,
    streamBytesPerSecond: sum.streamBytes / memberSeconds,
  };
}

export interface Mistakes {
  readonly members: number;
  readonly memberHours: number;
  /** Members that were suspected, and refuted it or not. */
  readonly suspicions: number;
  /** Living members that were declared to have failed, each time that this began. */
  readonly falseFailures: number;
  readonly falseFailuresPerMemberHour: number;
}

export interface Trouble {
  /** Share of packets lost each way; TCP suffers too. */
  readonly loss: number;
  /** Each member stands still this often, for `pauseMs`. */
  readonly pausesPerMinute: number;
  readonly pauseMs: number;
}

/** Nobody dies, but there is trouble: how many are declared dead? */
export function measureMistakes(
  members: number,
  minutes: number,
  seed: number,
  trouble: Trouble,
): Mistakes {
  const random = seededRandom(seed);
  const mistaken = new Set<string>();
  const suspected = new Set<string>();
  const started: Cluster[] = [];
  const cluster = startCluster(members, {
    seed,
    loss: trouble.loss,
    onEvent: (event) => {
      const [world] = started;
      if (world === undefined) return;
      // One life is one mistake, however many members believe it.
      if (event.kind === "failed") {
        const { incarnation } = world.get(event.member.name).gossip.status();
        mistaken.add(`${event.member.name} ${incarnation}`);
      }
      if (event.kind === "suspected") {
        const { incarnation } = world.get(event.name).gossip.status();
        suspected.add(`${event.name} ${incarnation}`);
      }
    },
  });
  started.push(cluster);
  const pausesPerSecond = (members * trouble.pausesPerMinute) / 60;
  for (let second = 0; second < minutes * 60; second++) {
    const whole = Math.floor(pausesPerSecond);
    const count = whole + (chance(random, pausesPerSecond - whole) ? 1 : 0);
    for (let pauses = 0; pauses < count; pauses++) {
      cluster.pause(`m${below(random, members)}`, trouble.pauseMs);
    }
    cluster.run(1_000);
  }
  const memberHours = (members * minutes) / 60;
  return {
    members,
    memberHours,
    suspicions: suspected.size,
    falseFailures: mistaken.size,
    falseFailuresPerMemberHour: mistaken.size / memberHours,
  };
}

export interface Speed {
  readonly members: number;
  /** From the kill to the first who says so, and from him to the last. */
  readonly detectedMs: number;
  readonly failureToldMs: number;
  /** From the first who knows to the last. */
  readonly joinToldMs: number;
  readonly leaveToldMs: number;
}

/** One join, one leave and one death: how long until everybody knows? Infinity: not within two minutes. */
export function measureSpeed(members: number, seed: number, loss = 0): Speed {
  const knownAt = new Map<string, number>();
  let watched: { readonly name: string; readonly kind: string } | undefined;
  const started: Cluster[] = [];
  const cluster = startCluster(members, {
    seed,
    loss,
    onEvent: (event, at) => {
      const [world] = started;
      if (world === undefined || watched === undefined || !("member" in event)) return;
      const { name, kind } = watched;
      if (event.kind === kind && event.member.name === name && at.name !== name) {
        knownAt.set(at.name, world.nowMs);
      }
    },
  });
  started.push(cluster);
  const watch = (name: string, kind: string, act: (world: Cluster) => void): number[] => {
    const world = cluster;
    watched = { name, kind };
    knownAt.clear();
    const start = world.nowMs;
    act(world);
    const others = world.live().filter((member) => member.name !== name).length;
    const took = world.runUntil(() => knownAt.size >= others, 120_000);
    const times = [...knownAt.values()].map((ms) => ms - start);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    world.run(10_000);
    return [first, took === undefined ? Infinity : last - first];
  };
  const [, joinToldMs = NaN] = watch("late", "join", (world) => {
    world.add("late");
    world.join("late", "m0");
  });
  const [detectedMs = NaN, failureToldMs = NaN] = watch("m1", "failed", (world) =>
    world.kill("m1"),
  );
  const [, leaveToldMs = NaN] = watch("m0", "leave", (world) => {
    world.with("m0", (gossip) => gossip.leave());
  });
  return { members, detectedMs, failureToldMs, joinToldMs, leaveToldMs };
}
