/**
 * The simulator's command line:
 *
 *     npm run sim -- --seeds 1..200 --replicas 3,5        many short storms
 *     npm run sim -- --seeds 42 --replicas 3 --minutes 5  one of them, longer
 *     npm run sim -- --subject core                       the core alone; or `replica`; or `cluster`
 *     npm run sim -- --bug double-vote --seeds 1..100     with a planted bug
 *     npm run sim -- --list-bugs                          their names
 *
 * A cluster is everything at once: `--replicas` servers, assembled as the agent does it, make their
 * cluster out of nothing, let others in, hand appends on, and are read at any of them.
 *
 * Ends with status 1 when a promise was broken, and prints the command that shows it again.
 */
import { parseArgs } from "node:util";
import { bugNamed, BUGS, plant } from "./bugs/index.ts";
import { run, SUBJECTS, type RunOptions, type RunResult, type Subject } from "./run.ts";
import { hashText } from "./world/index.ts";

interface Arguments {
  readonly seeds: readonly number[];
  readonly replicas: readonly number[];
  readonly subjects: readonly Subject[];
  readonly minutes: number;
  readonly bug: string | undefined;
  readonly json: boolean;
  readonly keepGoing: boolean;
}

function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** `7`, `1..200` or `1,5,9`. */
function readNumbers(text: string): number[] {
  const numbers = text.split(",").flatMap((part) => {
    const [from, to = from] = part.split("..").map(Number);
    const count = (to ?? NaN) - (from ?? NaN) + 1;
    if (!Number.isSafeInteger(from) || !(count >= 1 && count <= 1e7)) {
      refuse(`"${text}" is not a number, a range or a list`);
    }
    return Array.from({ length: count }, (_, i) => (from as number) + i);
  });
  return numbers;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1..20" },
      replicas: { type: "string", default: "3,5" },
      subject: { type: "string" },
      minutes: { type: "string", default: "1" },
      bug: { type: "string" },
      json: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      "list-bugs": { type: "boolean", default: false },
    },
  });
  if (values["list-bugs"]) {
    for (const { name } of BUGS) print(name);
    process.exit(0);
  }
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) refuse(`"${values.minutes}" is no number of minutes`);
  const subjects = SUBJECTS.filter((name) => (values.subject ?? name) === name);
  if (subjects.length === 0) refuse(`subjects are ${SUBJECTS.join(", ")}`);
  return {
    seeds: readNumbers(values.seeds),
    replicas: readNumbers(values.replicas),
    subjects,
    minutes,
    bug: values.bug,
    json: values.json,
    keepGoing: values["keep-going"],
  };
}

function replayCommand({ seed, replicas, subject, minutes }: RunOptions, bug?: string): string {
  const planted = bug === undefined ? "" : ` --bug ${bug}`;
  return `npm run sim -- --seeds ${seed} --replicas ${replicas} --subject ${subject} --minutes ${minutes}${planted}`;
}

function printFailure(result: RunResult, options: RunOptions, bug: string | undefined): void {
  for (const line of result.lastEvents) print(`  ${line}`);
  for (const { rule, message } of result.violations.slice(0, 10)) print(`${rule}: ${message}`);
  print(`again: ${replayCommand(options, bug)}`);
}

function* plan(args: Arguments): Generator<RunOptions> {
  const { seeds, replicas, subjects, minutes } = args;
  for (const seed of seeds) {
    for (const count of replicas) {
      for (const subject of subjects) yield { seed, replicas: count, subject, minutes };
    }
  }
}

async function main(): Promise<number> {
  const args = readArguments();
  const bug = args.bug === undefined ? undefined : bugNamed(args.bug);
  if (args.bug !== undefined && bug === undefined) refuse(`no bug is named "${args.bug}"`);
  const planted = bug === undefined ? undefined : await plant(bug);
  const startedCpu = process.cpuUsage();
  const total = { runs: 0, simulatedMs: 0, violations: 0, events: 0, appends: 0, acknowledged: 0 };
  let hashes = "";
  try {
    for (const options of plan(args)) {
      const result = await (planted?.run ?? run)(options);
      total.runs += 1;
      total.simulatedMs += result.simulatedMs;
      total.violations += result.violations.length;
      total.events += result.events;
      total.appends += result.appends;
      total.acknowledged += result.acknowledged;
      hashes += result.transcript;
      if (result.violations.length === 0) continue;
      if (!args.json) printFailure(result, options, args.bug);
      if (!args.keepGoing) break;
    }
  } finally {
    await planted?.[Symbol.asyncDispose]();
  }
  const { user, system } = process.cpuUsage(startedCpu);
  const cpuMinutes = (user + system) / 60e6;
  const simulatedHours = total.simulatedMs / 3_600_000;
  const summary = {
    seeds: args.seeds.length,
    runs: total.runs,
    simulatedHours: round(simulatedHours),
    violations: total.violations,
    transcript: `${hashText(hashes).toString(16)}${hashText(`${hashes}.`).toString(16)}`,
    events: total.events,
    appends: total.appends,
    acknowledged: total.acknowledged,
    cpuMinutes: round(cpuMinutes),
    hoursPerCpuMinute: round(simulatedHours / cpuMinutes),
  };
  if (args.json) print(JSON.stringify(summary));
  else {
    for (const [name, value] of Object.entries(summary)) print(`${name.padEnd(18)} ${value}`);
  }
  return total.violations > 0 ? 1 : 0;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

process.exitCode = await main();
