/** What an operator, or bad luck, does to a release that is in use. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "../../src/client/index.ts";
import { isReady, type Pod, until } from "./api.ts";
import { NAME, NAMESPACE, SERVERS } from "./release.ts";
import type { Context } from "./steps.ts";

/** Nothing but time, to know what the machine gives without trouble. */
const REST_MS = 15_000;
const SERVER_LABEL = "app.kubernetes.io/component=server";
/** What the rolling update changes; every later upgrade keeps it. */
const SETTING = { "config.log-level": "debug" };

export async function install({ release, values }: Context): Promise<string> {
  await release.upgrade(values, {});
  const pods = await release.untilReady(SERVERS);
  return `${SERVERS} pods on ${countOf(pods, (pod) => pod.spec.nodeName)} machines`;
}

export async function helmTest({ release }: Context): Promise<string> {
  await release.helm(["test", NAME, "--timeout", "3m"]);
  return "";
}

export async function nothing(): Promise<string> {
  await pause(REST_MS);
  return "";
}

export async function roll(context: Context): Promise<string> {
  const before = await context.release.pods();
  const fewest = await whileWatching(context, () => {
    return context.release.upgrade(context.values, SETTING);
  });
  const after = await context.release.untilReady(SERVERS);
  assert.deepEqual(common(before, after), [], "every pod was replaced");
  assert.ok(fewest >= SERVERS - 1, `${fewest} servers were ready at one time`);
  return `never fewer than ${fewest} ready`;
}

export async function grow(context: Context): Promise<string> {
  const { release, values } = context;
  const before = await release.pods();
  const more = { replicas: 5, "cluster.bootstrapExpect": SERVERS };
  const fewest = await whileWatching(context, () => {
    return release.upgrade(values, { ...SETTING, ...more });
  });
  await untilVoters(context, 5);
  const after = await release.untilReady(5);
  assert.equal(common(before, after).length, SERVERS, "the first three were left alone");
  assert.ok(fewest >= SERVERS);
  return "5 voters, the first 3 pods untouched";
}

export async function shrink(context: Context): Promise<string> {
  const { release, values } = context;
  for (const pod of [`${NAME}-4`, `${NAME}-3`]) await release.proglog("cluster", "remove", pod);
  await untilVoters(context, SERVERS);
  const removed = await until("a removed server says so", async () => {
    const args = ["-n", NAMESPACE, "get", "pod", `${NAME}-4`, "-o", "json"];
    const pod = JSON.parse(await release.mustKubectl(args)) as PodWithEnds;
    const { state, lastState } = pod.status.containerStatuses[0] ?? {};
    return (state?.terminated ?? lastState?.terminated)?.exitCode;
  });
  assert.equal(removed, 77);
  await release.upgrade(values, SETTING);
  await release.untilReady(SERVERS);
  const claims = [3, 4].map((at) => `pvc/data-${NAME}-${at}`);
  await release.mustKubectl(["-n", NAMESPACE, "delete", ...claims]);
  await untilVoters(context, SERVERS);
  return "removed servers ended with 77, 3 voters";
}

/** Two machines at once: the budget lets the second wait for the first. */
export async function drain(context: Context): Promise<string> {
  const { release } = context;
  const machines = [...new Set((await release.pods()).map((pod) => pod.spec.nodeName ?? ""))];
  const [first = "", second = machines[0] ?? ""] = machines;
  const run = async (machine: string): Promise<number> => {
    const args = ["drain", machine, "--ignore-daemonsets", "--delete-emptydir-data"];
    const { code, stderr } = await release.kubectl([...args, "--timeout=280s"]);
    assert.equal(code, 0, stderr);
    return stderr.match(/violate the pod's disruption budget/g)?.length ?? 0;
  };
  let refused = 0;
  const fewest = await whileWatching(context, async () => {
    const counts = await Promise.all([run(first), run(second)]);
    refused = counts.reduce((sum, count) => sum + count, 0);
    await release.untilReady(SERVERS);
  });
  for (const machine of [first, second]) await release.mustKubectl(["uncordon", machine]);
  const left = await release.pods();
  assert.ok(left.every(({ spec }) => spec.nodeName !== first && spec.nodeName !== second));
  assert.ok(refused > 0, "the budget refused nothing");
  assert.ok(fewest >= SERVERS - 1, `${fewest} servers were ready at one time`);
  return `the budget refused ${refused} evictions, never fewer than ${fewest} ready`;
}

/** The leader stops turning: the others go on without it, and its machine restarts it. */
export async function hang(context: Context): Promise<string> {
  const { release } = context;
  const { leader } = await statusOf(context);
  const before = restartsOf(await release.pods(), leader);
  process.kill(processOf(leader), "SIGSTOP");
  await until(`${leader} is restarted`, async () => {
    return restartsOf(await release.pods(), leader) > before;
  });
  await release.untilReady(SERVERS);
  const after = await statusOf(context);
  return `${leader} led and was restarted, ${after.leader} leads`;
}

export async function loseDisk(context: Context): Promise<string> {
  const { release } = context;
  const { members, leader } = await statusOf(context);
  const lost = members.find(({ name }) => name !== leader);
  assert.ok(lost !== undefined);
  const claim = ["delete", "pvc", `data-${lost.name}`, "--wait=false"];
  await release.mustKubectl(["-n", NAMESPACE, ...claim]);
  await release.mustKubectl(["-n", NAMESPACE, "delete", "pod", lost.name]);
  const id = await until("an empty server took its place", async () => {
    const status = await statusOf(context);
    const now = status.members.filter(({ name }) => name === lost.name);
    const [only] = now;
    return now.length === 1 && only?.role === "voter" && only.replica_id !== lost.replica_id
      ? only.replica_id
      : undefined;
  });
  await release.untilReady(SERVERS);
  await untilVoters(context, SERVERS);
  return `${lost.name} is replica ${id}, no longer ${lost.replica_id}`;
}

export async function deleteAll(context: Context): Promise<string> {
  return outage(context, []);
}

/** As when all machines fail at once: nobody is asked to end, and the pods' successors come at once. */
export async function deleteAllByForce(context: Context): Promise<string> {
  return outage(context, ["--force", "--grace-period=0"]);
}

async function outage({ release }: Context, flags: readonly string[]): Promise<string> {
  const before = await release.pods();
  const all = ["delete", "pods", "--selector", SERVER_LABEL, "--wait=false", ...flags];
  await release.mustKubectl(["-n", NAMESPACE, ...all]);
  const after = await until("all pods are back", async () => {
    const pods = await release.pods();
    const isWhole = pods.length === SERVERS && pods.every(isReady);
    return isWhole && common(before, pods).length === 0 && pods;
  });
  const moved = after.filter(({ status }) => before.every((b) => b.status.podIP !== status.podIP));
  return `${moved.length} of ${SERVERS} at new addresses`;
}

export async function checkHistory({ load, release }: Context): Promise<string> {
  const servers = (await release.pods()).map(({ metadata }) => release.addressOf(metadata.name));
  const { records, operations } = await load.end(servers);
  return `${operations} operations, ${records} records, alike on ${servers.length} servers, 0 lost`;
}

/** The release goes, its claims stay, and so does the log. */
export async function reinstall(context: Context): Promise<string> {
  const { release, values } = context;
  const before = (await statusOf(context)).next;
  await release.helm(["uninstall", NAME, "--wait"]);
  await until("the pods are gone", async () => (await release.pods()).length === 0);
  await release.upgrade(values, {});
  const pods = await release.untilReady(SERVERS);
  for (const { metadata } of pods) {
    const address = `dns:${release.addressOf(metadata.name)}`;
    await using client = connect(address, { tls: release.tls });
    const { lowest, next } = await client.offsets();
    assert.deepEqual([lowest, next >= before], [0, true], `${metadata.name} ends at ${next}`);
  }
  await helmTest(context);
  return `${before} records are still there`;
}

/** What the lab looks at of `proglog cluster status --json`. */
interface ClusterStatus {
  readonly leader: string;
  readonly next: number;
  readonly members: readonly {
    readonly name: string;
    readonly role: string;
    readonly replica_id: number;
  }[];
}

interface PodWithEnds {
  readonly status: {
    readonly containerStatuses: readonly {
      readonly state?: { readonly terminated?: { readonly exitCode: number } };
      readonly lastState?: { readonly terminated?: { readonly exitCode: number } };
    }[];
  };
}

async function statusOf({ release }: Context): Promise<ClusterStatus> {
  return JSON.parse(await release.proglog("cluster", "status", "--json")) as ClusterStatus;
}

function untilVoters(context: Context, count: number): Promise<ClusterStatus> {
  return until(`${count} voters`, async () => {
    const status = await statusOf(context);
    const { members, leader } = status;
    const isWhole = members.length === count && members.every(({ role }) => role === "voter");
    return isWhole && leader !== "" && status;
  });
}

/** Does the work and tells the smallest number of pods that were ready meanwhile. */
async function whileWatching({ release }: Context, work: () => Promise<void>): Promise<number> {
  const done = new AbortController();
  let fewest = Infinity;
  const watch = async (): Promise<void> => {
    while (!done.signal.aborted) {
      fewest = Math.min(fewest, (await release.pods()).filter(isReady).length);
      await pause(200);
    }
  };
  const watching = watch();
  try {
    await work();
  } finally {
    done.abort();
    await watching;
  }
  return fewest;
}

/** Pods that are in both. */
function common(before: readonly Pod[], after: readonly Pod[]): string[] {
  const uids = new Set(before.map(({ metadata }) => metadata.uid));
  return after.map(({ metadata }) => metadata.uid).filter((uid) => uids.has(uid));
}

function countOf<T>(items: readonly T[], key: (item: T) => unknown): number {
  return new Set(items.map(key)).size;
}

function restartsOf(pods: readonly Pod[], name: string): number {
  const pod = pods.find(({ metadata }) => metadata.name === name);
  return pod?.status.containerStatuses?.[0]?.restartCount ?? 0;
}

/** The server of a pod, as this namespace counts its processes: all machines' are below it. */
function processOf(pod: string): number {
  const found = readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      if (!readFileSync(`/proc/${name}/cmdline`, "utf8").includes("/app/dist/cli/main.js"))
        return false;
      return readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(`POD_NAME=${pod}`);
    } catch {
      return false; // It has ended meanwhile.
    }
  });
  assert.equal(found.length, 1, `${pod} has ${found.length} processes`);
  return Number(found[0]);
}
