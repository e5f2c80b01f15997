import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

import { tell, type TallyLine } from "./tally.ts";

type Outcome = Exclude<TallyLine["outcome"], "begin" | "end">;
type Finished = Extract<TestEvent, { type: "test:pass" | "test:fail" }>;

const MARKS = { passed: "✔", failed: "✖", skipped: "﹣" } as const;
/** What Node 20 says of tests that `--test-name-pattern` leaves out; later versions are silent. */
const NOT_SELECTED = "test name does not match pattern";
/** What Node says of an error that came when its test was over; the process ends with 1 then. */
const LATE_ERROR = /^(Error|Warning): .*(generated asynchronous activity after|triggered an )/;

/**
 * One line for a test, with its whole name, so that it can be searched for; the error below it when
 * it failed. Each is told to the runner as well. (A default export, because Node asks for one.)
 */
export default async function* report(
  events: AsyncIterable<TestEvent>,
): AsyncGenerator<string, void> {
  const names: string[] = [];
  for await (const event of events) {
    if (event.type === "test:start") {
      names.length = event.data.nesting;
      names.push(event.data.name);
    }
    if (event.type === "test:diagnostic" && LATE_ERROR.test(event.data.message)) {
      yield `${event.data.message}\n`;
    }
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const name = [...names.slice(0, event.data.nesting), event.data.name].join(" › ");
    const line = tallyLine(event, name);
    if (line === undefined) continue;
    tell(line);
    const reason = line.reason === undefined ? "" : ` (${line.reason})`;
    yield `${MARKS[line.outcome]} ${name}${reason} ${line.durationMs.toFixed(0)} ms\n`;
    if (event.type === "test:fail") yield describeError(event.data.details.error);
  }
  tell({ outcome: "end", name: "", durationMs: 0 });
}

/** Undefined for what does not count: suites, and parents of what has been counted as failed. */
function tallyLine(
  { type, data }: Finished,
  name: string,
): (TallyLine & { readonly outcome: Outcome }) | undefined {
  const durationMs = data.details.duration_ms;
  if (type === "test:fail") {
    const { failureType } = data.details.error as { failureType?: string };
    return failureType === "subtestsFailed" ? undefined : { outcome: "failed", name, durationMs };
  }
  if (data.details.type === "suite" || data.skip === NOT_SELECTED) return undefined;
  if (data.skip === undefined || data.skip === false)
    return { outcome: "passed", name, durationMs };
  return { outcome: "skipped", name, durationMs, reason: String(data.skip) };
}

function describeError(error: Error): string {
  const text = inspect(error.cause ?? error, { depth: 4 });
  const ours = text.split("\n").filter((line) => !line.includes("(node:internal/test_runner"));
  return ours.map((line) => `    ${line}\n`).join("");
}
