import { execFileSync } from "node:child_process";

/**
 * Options for a test that needs something of the machine: it is skipped with a loud reason where
 * that is missing. Under `PROGLOG_REQUIRE_ALL=1`, as CI runs them, the runner counts every skipped test
 * as a failure.
 *
 *     test("…", skipUnless(commandExists("strace"), "the program strace"), async () => …)
 */
export function skipUnless(condition: boolean, missing: string): { skip?: string } {
  if (condition) return {};
  return { skip: `MISSING: ${missing}` };
}

/** Whether a program is on the PATH. */
export function commandExists(name: string): boolean {
  try {
    execFileSync("/bin/sh", ["-c", 'command -v "$1"', "sh", name], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Whether this process may do what only root may: mount, strace others, network namespaces. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
