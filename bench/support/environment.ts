import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly disk: string;
  readonly node: string;
  readonly fsync: string;
  readonly mode: string;
  readonly date: string;
}

export function describeEnvironment(directory: string, mode: string): Environment {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGB: Math.round(totalmem() / 1e9),
    disk: mountOf(directory),
    node: process.version,
    fsync: "fdatasync after each group",
    mode,
    date: new Date().toISOString(),
  };
}

export function environmentLine(environment: Environment): string {
  const { cpu, cores, memoryGB, disk, node, fsync, mode } = environment;
  return `${cpu}, ${cores} cores, ${memoryGB} GB · ${disk} · Node ${node} · ${fsync} · ${mode}`;
}

/** Device and file system that hold a directory: the longest mount point above it. */
function mountOf(directory: string): string {
  let best = { point: "", text: "unknown" };
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [device = "", point = "", type = ""] = line.split(" ");
    const isAbove = point === "/" || directory === point || directory.startsWith(`${point}/`);
    if (point !== "" && isAbove && point.length >= best.point.length) {
      best = { point, text: `${type} on ${device}` };
    }
  }
  return best.text;
}
