import { encodeBatch, seededRandom } from "../../src/base/index.ts";
import { encodeLogStart, ENTRY_TYPE } from "../../src/log/index.ts";
import type { Violation } from "../checkers/index.ts";
import { FaultDisk } from "../disk/index.ts";
import { open } from "./engine.ts";

const RECORDS = 60;

/**
 * G6: where segments begin is each replica's own affair. A deletion that another leader decided ends
 * within a segment here, behind whole ones; retention by bytes, decided next, must not begin before it.
 */
export async function retentionAfterDeletion(): Promise<readonly Violation[]> {
  const log = await open(new FaultDisk({ random: seededRandom(1) }));
  const append = async (type: number, payload: Uint8Array, recordCount: number): Promise<void> => {
    const { lastIndex, nextOffset: baseOffset } = log;
    const place = { index: lastIndex + 1, term: 1, baseOffset, appendedAt: 1, recordCount };
    log.append({ ...place, type: type as typeof ENTRY_TYPE.records, payload });
    await log.sync();
  };
  for (let i = 0; i < RECORDS; i++) {
    const value = new TextEncoder().encode(`${i}`);
    await append(ENTRY_TYPE.records, encodeBatch([{ value }], { nowMs: 1 }), 1);
  }
  const offset = RECORDS - 5;
  const start = { index: 1, offset, retentionBytes: 2_000, retentionMs: 0 };
  await append(ENTRY_TYPE.logStart, encodeLogStart(start), 0);
  log.setCommitIndex(log.lastIndex);
  await log.startAt({ ...start, index: 1 });
  const planned = log.planRetention(1_000);
  if (planned === undefined) throw new Error("retention lets a segment go");
  if (planned.offset >= offset) return [];
  const message = `retention begins at ${planned.offset}, and everything below ${offset} was deleted`;
  return [{ rule: "I12", message }];
}
