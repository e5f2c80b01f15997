/** Set by `--profile` for the row's process and those that it starts. */
const VARIABLE = "PROGLOG_BENCH_PROFILE";

export function profilingEnvironment(directory: string | undefined): Record<string, string> {
  return directory === undefined ? {} : { [VARIABLE]: directory };
}

/** Flags of Node that write a CPU profile of a process when it ends. */
export function profilingFlags(directory: string | undefined = process.env[VARIABLE]): string[] {
  return directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`];
}
