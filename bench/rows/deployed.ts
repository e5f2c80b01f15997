import { spawn, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execPath, platform } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { skipped, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { median } from "../support/statistics.ts";

/** The program as it was compiled for this run. */
const MAIN = join(import.meta.dirname, "..", "..", "src", "cli", "main.js");
const IMAGE = "proglog:local";
/** The heap gives back what the start took. */
const SETTLE_MS = 3_000;

interface Started {
  readonly readyMs: number;
  readonly residentMB: number;
}

/** What a server costs before anybody uses it: its image, its start, its memory. */
async function run(context: RowContext): Promise<RowResult[]> {
  const rounds = context.quick ? 3 : 7;
  const starts: Started[] = [];
  for (let round = 0; round < rounds; round++) {
    starts.push(await start(join(context.directory, String(round))));
  }
  const ready = starts.map(({ readyMs }) => readyMs);
  const worst = Math.round(Math.max(...ready));
  const resident = starts.map(({ residentMB }) => residentMB).filter((value) => value > 0);
  const memory = { row: "memory of a server at rest", unit: "MB" };
  return [
    told(
      {
        row: "a new server, from its start to ready",
        unit: "ms",
        note: `median of ${rounds} processes, each with an empty data directory; worst ${worst} ms`,
      },
      median(ready),
    ),
    resident.length === 0
      ? skipped(memory, "-", `read from /proc, which is not on ${platform}`)
      : told({ ...memory, note: `resident, ${SETTLE_MS / 1_000} s after ready` }, median(resident)),
    imageSize(),
  ];
}

async function start(dataDir: string): Promise<Started> {
  const flags = ["--data-dir", dataDir, "--rpc-port", "0", "--bind-addr", "127.0.0.1:0"];
  const begun = performance.now();
  const child = spawn(execPath, [MAIN, "agent", ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    await new Promise<void>((resolve, reject) => {
      let said = "";
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`it ended before it was ready: ${said}`)));
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (/ ready: /.test(said)) resolve();
      });
    });
    const readyMs = performance.now() - begun;
    await sleep(SETTLE_MS);
    return { readyMs, residentMB: await residentMB(child.pid ?? 0) };
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

/** 0 where there is no /proc. */
async function residentMB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_000;
}

/** Of an image that was built before, by whichever program has it. */
function imageSize(): RowResult {
  const named = { row: "the image, unpacked", unit: "MB" };
  for (const program of ["docker", "podman"]) {
    const args = ["image", "inspect", IMAGE, "--format", "{{.Size}}"];
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    if (status === 0)
      return told({ ...named, note: `${IMAGE}, by ${program}` }, Number(stdout) / 1e6);
  }
  const how = `docker build -f deploy/Dockerfile -t ${IMAGE} .`;
  return skipped(named, "-", `there is no ${IMAGE}: ${how}`);
}

export const row: Row = { run };
