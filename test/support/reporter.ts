import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

import { tell, type TallyLine } from "./tally.ts";

type Finished = Extract<TestEvent, { type: "test:pass" | "test:fail" }>;

const MARKS = { passed: "✔", failed: "✖", skipped: "﹣" } as const;
/** What Node 20 says of tests that `--test-name-pattern` leaves out; later versions are silent. */
const NOT_SELECTED = "test name does not match pattern";
/** The names of tests of the worker's own, which stand before and after those of a file. */
export const MARKS_OF_FILE = ["the beginning of a test file", "the end of a test file"] as const;
/** What Node says of an error that came when its test was over; the process ends with 1 then. */
const LATE_ERROR = /^(Error|Warning): .*(generated asynchronous activity after|triggered an )/;

/**
 * One line for a test, with its whole name, so that it can be searched for; the error below it when
 * it failed. All is told to the runner, who prints it. (A default export, because Node asks for one.)
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
      const name = event.data.message;
      tell({ outcome: "failed", name, durationMs: 0, report: `✖ ${name}\n` });
    }
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const name = [...names.slice(0, event.data.nesting), event.data.name].join(" › ");
    if (isMarkOfFile(name)) continue;
    const line = tallyLine(event, name);
    if (line === undefined) continue;
    const reason = line.reason === undefined ? "" : ` (${line.reason})`;
    const head = `${MARKS[line.outcome]} ${name}${reason} ${line.durationMs.toFixed(0)} ms\n`;
    const why = event.type === "test:fail" ? describeError(event.data.details.error) : "";
    tell({ ...line, report: head + why });
  }
}

function isMarkOfFile(name: string): boolean {
  return MARKS_OF_FILE.some((mark) => mark === name);
}

/** Undefined for what does not count: suites, and parents of what has been counted as failed. */
function tallyLine({ type, data }: Finished, name: string): Omit<TallyLine, "report"> | undefined {
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
