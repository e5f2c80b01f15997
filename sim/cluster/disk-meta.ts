import type { FaultDisk } from "../disk/index.ts";

/** Whose data a disk holds, as a power cut would leave it. */
export interface DurableMeta {
  readonly clusterName: string;
  readonly clusterId: string;
}

/** Read by `docs/format.md`, and by none of the log's code; undefined where nothing says so yet. */
export function durableMeta(disk: FaultDisk, path = "/data/meta.json"): DurableMeta | undefined {
  if (!disk.medium.has(path, "durable")) return undefined;
  const text = new TextDecoder().decode(disk.medium.bytes(path, "durable"));
  return JSON.parse(text) as DurableMeta;
}
