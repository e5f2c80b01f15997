import assert from "node:assert/strict";
import type { Proof } from "../prove/proof.ts";
import { measureCost, measureSpeed } from "../../sim/gossip/index.ts";

const SIZES = [5, 20, 100, 500];
const SECONDS = 120;
/** What a member sends in packets in the largest cluster, against one of twenty. */
const GROWTH_MAX = 1.5;

export const proof: Proof = {
  name: "gossip-cost",
  title: `what membership costs each member, and how fast news travels, in clusters of ${SIZES.join(", ")}`,
  parts: SIZES.length,
  isInProcess: true,
  run(part) {
    const members = SIZES[part] ?? assert.fail();
    const { packetBytesPerSecond, streamBytesPerSecond } = measureCost(members, SECONDS, 1);
    const { detectedMs, failureToldMs, joinToldMs } = measureSpeed(members, 1);
    const bytesAt20 = measureCost(20, SECONDS, 1).packetBytesPerSecond;
    const growth = packetBytesPerSecond / bytesAt20;
    assert.ok(growth <= GROWTH_MAX, `packets grow by ${growth} from 20 to ${members} members`);
    return Promise.resolve({
      members,
      packetBytesPerSecond,
      streamBytesPerSecond,
      detectedMs,
      failureToldMs,
      joinToldMs,
    });
  },
  summary: (parts) =>
    parts
      .map((part) => {
        const of = (name: string): number => part[name] ?? 0;
        const seconds = (name: string): string => (of(name) / 1_000).toFixed(1);
        return (
          `${of("members")} members: ${of("packetBytesPerSecond").toFixed(0)} B/s in packets, ` +
          `${of("streamBytesPerSecond").toFixed(0)} B/s in push/pull, a kill declared after ` +
          `${seconds("detectedMs")} s and told in ${seconds("failureToldMs")} s, a join in ${seconds("joinToldMs")} s`
        );
      })
      .join("; "),
};
