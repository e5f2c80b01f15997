import { decodeBatch } from "../../src/base/index.ts";
import type { Holding } from "../checkers/index.ts";
import type { Replica } from "../../src/replica/index.ts";

const READ_BYTES = 64 * 1024;

/** A machine, and the replica that runs there. */
export interface Drained {
  readonly replicaId: number;
  readonly replica: Replica | undefined;
}

/** Reads everything that replicas hold, each from its lowest offset to its high watermark. */
export async function drain(machines: readonly Drained[]): Promise<Holding[]> {
  return Promise.all(
    machines.map(async ({ replica, replicaId }) => {
      if (replica === undefined) throw new Error(`replica ${replicaId} does not run`);
      const from = replica.lowestOffset;
      const values: string[] = [];
      for (let next = from; next < replica.highWatermark;) {
        const records = recordsIn(await replica.read(next, READ_BYTES), next);
        for (const { offset, value } of records) {
          if (offset !== next)
            throw new Error(`replica ${replicaId} has ${offset} after ${next - 1}`);
          values.push(value);
          next += 1;
        }
      }
      return { replica: replicaId, from, values };
    }),
  );
}

export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
}

/** The records of batches from an offset on. */
export function recordsIn(batches: readonly Uint8Array[], from: number): ReadRecord[] {
  return batches
    .flatMap((batch) => decodeBatch(batch))
    .filter(({ offset }) => offset >= from)
    .map(({ offset, value }) => ({ offset, value: new TextDecoder().decode(value ?? undefined) }));
}
