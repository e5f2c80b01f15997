import { spawn, spawnSync } from "node:child_process";

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Default: 5 minutes. */
  readonly timeoutMs?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end while this process goes on. */
export function command(
  program: string,
  args: readonly string[],
  { env = process.env, input, timeoutMs = 300_000 }: CommandOptions = {},
): Promise<Ended> {
  const child = spawn(program, args, { env, timeout: timeoutMs, stdio: "pipe" });
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...said }));
  });
}

/** The same; throws with all that was said when it fails. Answers its output. */
export async function must(
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const { code, stdout, stderr } = await command(program, args, options);
  if (code === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: exit ${code ?? "?"}\n${stdout}${stderr}`);
}

/** A short one, at once. The words are split at spaces. */
export function mustNow(words: string): string {
  const [program = "", ...args] = words.split(" ");
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${words}: exit ${status ?? "?"}\n${stdout}${stderr}`);
}
