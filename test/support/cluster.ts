import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import {
  type Agent,
  type AgentConfig,
  type AgentOptions,
  startAgent,
} from "../../src/agent/index.ts";
import { PROMPT_GOSSIP } from "./gossip-profile.ts";

/** Each server's own settings, by its place from 0. */
export type SettingsFor = (at: number) => Partial<AgentConfig>;

export interface ClusterOptions {
  /** Of all servers. */
  readonly settings?: Partial<AgentConfig>;
  /** Laid over those. */
  readonly settingsFor?: SettingsFor;
  readonly optionsFor?: (at: number) => AgentOptions;
}

/** How often a condition is looked at that no event tells of. */
const LOOK_MS = 5;
/** Patient, because a machine that runs tests may be busy: nobody else is to campaign then. */
export const PATIENT = { electionTimeoutTicks: 60 } as const;

/**
 * Servers in this process that are one cluster: `a` makes it, the others are told where `a` gossips
 * and are let in. Everything goes with the test.
 */
export class TestCluster {
  readonly agents: Agent[] = [];
  readonly folder: string;
  /** Of this cluster alone: on a port of one that has ended, the friends it had elsewhere are no friends. */
  readonly gossipKey = randomBytes(32).toString("base64");
  readonly #options: ClusterOptions;

  constructor(t: Pick<TestContext, "after">, options: ClusterOptions = {}) {
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), "proglog-cluster-"));
    t.after(async () => {
      await Promise.all(this.agents.map((agent) => agent.close()));
      rmSync(this.folder, { recursive: true });
    });
  }

  /** `a`, `b`, `c` and so on. */
  static nameOf(at: number): string {
    return String.fromCharCode("a".charCodeAt(0) + at);
  }

  /** Starts the server of a place, or starts it again, on free ports and in its own folder. */
  async start(at: number, settings: Partial<AgentConfig> = {}): Promise<Agent> {
    const { agents, folder } = this;
    const { settings: shared, settingsFor, optionsFor } = this.#options;
    const nodeName = TestCluster.nameOf(at);
    const seeds = agents.filter((_, other) => other !== at).map((agent) => agent.gossipAddress);
    const agent = await startAgent(
      {
        ...{ rpcPort: 0, httpPort: "auto", bindAddr: "127.0.0.1:0", nodeName },
        ...{
          dataDir: join(folder, nodeName),
          scrubBytesPerSecond: 0,
          gossipKey: [this.gossipKey],
        },
        ...(seeds.length > 0 ? { startJoinAddrs: seeds } : { bootstrap: true }),
        ...shared,
        ...settingsFor?.(at),
        ...settings,
      },
      { timing: PATIENT, gossipProfile: PROMPT_GOSSIP, ...optionsFor?.(at) },
    );
    agents[at] = agent;
    return agent;
  }

  /** The one that leads, and may decide. */
  get leader(): Agent | undefined {
    return this.agents.find(({ replica }) => replica.isLeading);
  }

  async untilLed(): Promise<Agent> {
    await until(
      () => this.leader !== undefined,
      () => `nobody leads: ${this.#tellAll()}`,
    );
    return this.leader as Agent;
  }

  /** Every server of the cluster knows so many voters, and nobody is on his way. */
  async untilVoters(count: number): Promise<void> {
    const isSo = ({ replica }: Agent): boolean => {
      const { voters, votersOutgoing, learners } = replica.status.configuration;
      return voters.length === count && votersOutgoing.length === 0 && learners.length === 0;
    };
    await until(
      () => this.agents.every(isSo),
      () => `not all know ${count} voters: ${this.#tellAll()}`,
    );
  }

  /** What each knows, for those who look for the reason of a failure. */
  #tellAll(): string {
    const all = this.agents.map(({ replica, membership }) => {
      const { role, term, leader, commitIndex, lastIndex, configuration } = replica.status;
      const { voters, votersOutgoing, learners } = configuration;
      const ids = [voters, votersOutgoing, learners].map((part) =>
        part.map(({ name, replicaId }) => `${name}=${replicaId}`).join(","),
      );
      const seen = membership
        .members()
        .map(({ name, status }) => `${name} ${status}`)
        .join(", ");
      return { name: membership.name, role, term, leader, commitIndex, lastIndex, ids, seen };
    });
    return JSON.stringify(all);
  }

  /** Every server has as much as the one that has most. */
  async untilEven(): Promise<void> {
    const marks = (): number[] => this.agents.map(({ commitLog }) => commitLog.highWatermark);
    await until(() => new Set(marks()).size === 1, "the high watermarks differ");
  }
}

/** A cluster of so many voters. */
export async function startCluster(
  t: Pick<TestContext, "after">,
  count: number,
  options: ClusterOptions = {},
): Promise<TestCluster> {
  const cluster = new TestCluster(t, options);
  for (let at = 0; at < count; at++) await cluster.start(at);
  await cluster.untilVoters(count);
  return cluster;
}

/** Resolves when it is so; rejects, with the words for what was, when it does not come to be. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  otherwise: string | (() => string),
  ms = 60_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > end) {
      const words = typeof otherwise === "string" ? otherwise : otherwise();
      throw new Error(`${words}, after ${ms} ms`);
    }
    await pause(LOOK_MS);
  }
}
