import { argv } from "node:process";
import { letHeapGrow, startAgent } from "../../src/agent/index.ts";
import type { AgentConfig } from "../../src/agent/index.ts";
import { answerParent } from "./answer-parent.ts";
import { LoopWatch } from "./loop-watch.ts";

letHeapGrow();

/** A whole server as `proglog agent` runs it, which also tells what only its process knows. */
const given = JSON.parse(argv[3] ?? "{}") as Partial<AgentConfig>;
const agent = await startAgent(
  { dataDir: argv[2] ?? "", rpcPort: 0, bindAddr: "127.0.0.1:0", ...given },
  // Lines are made, and cost nothing where they go.
  { logs: { write: () => true } },
);
const loop = new LoopWatch();

answerParent(
  {
    address: () => agent.rpcAddress,
    gossipAddress: () => agent.gossipAddress,
    watchLoop: () => loop.start(),
    loopDelay: () => loop.read(),
  },
  () => agent.close(),
);
