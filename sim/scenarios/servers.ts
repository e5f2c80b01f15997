import { encodeConsumeRequest } from "../../src/api/index.ts";
import { ProglogError } from "../../src/base/index.ts";
import { consume } from "../../src/server/consume.ts";
import type { Violation } from "../checkers/index.ts";
import type { Host } from "../cluster/host.ts";
import { FleetLab } from "./fleet-lab.ts";

/**
 * D13: two servers that were each told to make a cluster of their own, and then see each other. Each
 * keeps its own id, its own voters and its own records; nothing of one comes into the other.
 */
export async function twoBootstraps(): Promise<readonly Violation[]> {
  const lab = new FleetLab({ hosts: 2, expect: 1 });
  const [a, b] = lab.hosts as [Host, Host];
  lab.isolate(a);
  const leads = ({ replica }: Host): boolean => replica?.isLeading === true;
  await runPast(lab, "each leads itself", () => leads(a) && leads(b));
  const ids = [a, b].map((host) => clusterIdOf(host));
  const value = (host: Host): Uint8Array => new TextEncoder().encode(`of ${host.name}`);
  const appended = [a, b].map((host) => lab.doors(host).log.append({ value: value(host) }));
  lab.fleet.healNetwork();
  await runPast(lab, "they have seen each other", () => false, 15_000);
  if (!lab.violations.every(isAsTold)) return lab.violations;
  for (const answer of appended) await answer;
  lab.violations.length = 0;
  for (const [at, host] of [a, b].entries()) {
    const { voters, learners } = (host.replica ?? missing(host)).status.configuration;
    lab.expect("D13", clusterIdOf(host) === ids[at], `${host.name} went to another cluster`);
    const isAlone = voters.length === 1 && learners.length === 0;
    lab.expect("D13", isAlone, `${host.name} has let in somebody of another cluster`);
    lab.expect("D13", host.replica?.highWatermark === 1, `${host.name} has another's records`);
  }
  return lab.violations;
}

/**
 * D16: a voter stands still, and gossip calls it failed for as long as it likes. It stays a voter, and
 * goes on where it was.
 */
export async function calledFailed(): Promise<readonly Violation[]> {
  const lab = new FleetLab({ hosts: 3, expect: 3 });
  const leader = await lab.leader();
  await lab.append(leader, "before");
  const paused = lab.hosts.find((host) => host !== leader) as Host;
  // What the others hear of it from now on is that it failed.
  lab.fleet.rumours.options = { lieChance: 1, splitChance: 0 };
  lab.fleet.pause(paused.number, 20_000);
  await lab.run(20_000);
  const { voters } = (leader.replica ?? missing(leader)).status.configuration;
  lab.expect("D16", voters.length === 3, `a voter that stood still is none of ${voters.length}`);
  lab.fleet.rumours.options = { lieChance: 0, splitChance: 0 };
  await lab.append(leader, "after");
  await lab.until("all agree", () => lab.fleet.hasConverged());
  lab.expect("D16", lab.fleet.exits.length === 0, `ended: ${lab.fleet.exits.join(", ")}`);
  return lab.violations;
}

/**
 * D7: a server is removed while it is down. When it comes back it disturbs nobody, hears why, and ends;
 * with an emptied disk it comes in as somebody new.
 */
export async function removedComesBack(): Promise<readonly Violation[]> {
  const lab = new FleetLab({ hosts: 4, expect: 4 });
  await lab.until("all vote", () => lab.fleet.hasConverged());
  const leader = await lab.leader();
  const removed = lab.hosts.find((host) => host !== leader) as Host;
  const { name, replicaId } = removed;
  lab.fleet.crash(removed.number, "power");
  const { control } = lab.doors(leader).cluster;
  await lab.answer(control.ask("RemoveMember", { name, force: false }));
  await lab.append(leader, "without it");
  const term = leader.replica?.term;
  lab.fleet.restart(removed.number);
  await lab.until("it hears that it was removed", () => {
    return lab.fleet.exits.includes(`${name} REMOVED`);
  });
  lab.expect("D7", leader.replica?.term === term, "who was removed has disturbed the others");
  await lab.until("it is let in as a new one", () => lab.fleet.hasConverged());
  lab.expect("D7", removed.replicaId !== replicaId, `${replicaId} votes again`);
  return lab.violations;
}

/**
 * F8, F1: a leader is cut off while another one leads and appends. What it does not have it may not call
 * absent: it waits, or says that it cannot know.
 */
export async function exLeaderIsAsked(): Promise<readonly Violation[]> {
  const lab = new FleetLab({ hosts: 3, expect: 3 });
  const old = await lab.leader();
  await lab.append(old, "of both");
  const other = lab.hosts.find((host) => host !== old) as Host;
  lab.isolate(old);
  // It still believes that it leads.
  const early = ask(lab, old, 1);
  await lab.until("another one leads", () => {
    return lab.hosts.some((host) => host !== old && host.replica?.isLeading === true);
  });
  const offset = await lab.append(other, "of the new one");
  lab.expect("F8", offset === 1, `appended at ${String(offset)}`);
  const late = ask(lab, old, 1);
  await lab.run(4_000);
  for (const answer of [early, late]) {
    lab.expect("F8", answer.code !== "OFFSET_OUT_OF_RANGE", "a leader that was called it absent");
  }
  lab.fleet.healNetwork();
  await lab.until("the record is there", () => ask(lab, old, 1).code === undefined, 5_000);
  return lab.violations;
}

/** What became of a read, as far as it is known. */
function ask(lab: FleetLab, host: Host, offset: number): { code: string | undefined } {
  const answer: { code: string | undefined } = { code: undefined };
  const range = { log: "", linearizable: false, minOffset: undefined, maxRecords: 0, maxBytes: 0 };
  const request = Buffer.from(encodeConsumeRequest({ ...range, offset }));
  const { signal } = new AbortController();
  consume(lab.doors(host).tails, request, () => signal, undefined).catch((error: unknown) => {
    answer.code = ProglogError.from(error).code;
  });
  return answer;
}

/** Runs on where a rule is broken that the script breaks itself. */
async function runPast(
  lab: FleetLab,
  what: string,
  isEnough: () => boolean,
  ms = 20_000,
): Promise<void> {
  const untilMs = lab.world.nowMs + ms;
  while (lab.world.nowMs < untilMs && !isEnough()) {
    if (!lab.violations.every(isAsTold)) return;
    lab.violations.length = 0;
    await lab.run(Math.min(500, untilMs - lab.world.nowMs), isEnough);
  }
  if (ms === 20_000 && !isEnough()) lab.expect("I11", false, `it never came that ${what}`);
}

/** Two ids of one name, and two who lead in one term, is what the operator made of them. */
function isAsTold({ rule }: Violation): boolean {
  return rule === "B1" || rule === "I1";
}

function clusterIdOf({ data }: Host): string | undefined {
  return data?.directory.meta.clusterId;
}

function missing({ name }: Host): never {
  throw new Error(`${name} does not run`);
}
