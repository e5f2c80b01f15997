import { monitorEventLoopDelay } from "node:perf_hooks";
import type { IntervalHistogram } from "node:perf_hooks";
import { argv } from "node:process";
import { startAgent } from "../../src/agent/index.ts";
import { answerParent } from "./answer-parent.ts";

/** A whole server as `proglog agent` runs it, which also tells what only its process knows. */
const agent = await startAgent({ dataDir: argv[2] ?? "", rpcPort: 0, bindAddr: "127.0.0.1:0" });

/** The histogram holds the time between two looks, one of which should be this long. */
const LOOK_MS = 1;
let delays: IntervalHistogram | undefined;

answerParent(
  {
    address: () => agent.rpcAddress,
    watchLoop: () => {
      delays = monitorEventLoopDelay({ resolution: LOOK_MS });
      delays.enable();
    },
    loopDelay: () => {
      if (delays === undefined) throw new Error("nobody watches the loop");
      delays.disable();
      const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - LOOK_MS);
      return { p99Ms: ms(delays.percentile(99)), maxMs: ms(delays.max) };
    },
    cpuSeconds: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  () => agent.close(),
);
