import { join } from "node:path";
import type { AgentConfig } from "../../src/agent/index.ts";
import { encodeProduceRequest } from "../../src/api/index.ts";
import { callUnary, Driver } from "../support/driver.ts";
import { ratedAgainst, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { valueOf } from "../support/values.ts";

const IN_FLIGHT = 64;
const OFF: Partial<AgentConfig> = { telemetry: false, accessLog: "off" };
const ON: Partial<AgentConfig> = { telemetry: true, accessLog: "off" };
const LOGGED: Partial<AgentConfig> = { telemetry: true, accessLog: "all" };

/** What it costs to be seen: processor time of the server for a call, with telemetry and without. */
async function run(context: RowContext): Promise<RowResult[]> {
  const calls = context.quick ? 10_000 : 30_000;
  await using off = await measured(context, "off", OFF, calls);
  await using on = await measured(context, "on", ON, calls);
  await using logged = await measured(context, "logged", LOGGED, calls);
  const pairs = pairsOf(context);
  const metrics = await inPairs(pairs, on.cost, off.cost);
  const lines = await inPairs(1, logged.cost, off.cost);
  const note = `processor time of the server's process, ${calls} calls a round`;
  const unit = "us CPU/call";
  return [
    ratedAgainst({ row: "unary Produce with metrics, against without", unit, note }, metrics, {
      is: "<=",
      bound: 1.1,
    }),
    told(
      { row: "the same with a line of access log for each call", unit, note },
      lines.value,
      lines.limit,
    ),
  ];
}

interface Measured extends AsyncDisposable {
  /** Microseconds of processor time for a call. */
  readonly cost: () => Promise<number>;
}

async function measured(
  context: RowContext,
  name: string,
  settings: Partial<AgentConfig>,
  calls: number,
): Promise<Measured> {
  const server = await AgentServer.start(join(context.directory, name), settings);
  const driver = new Driver(server.address);
  const request = encodeProduceRequest({
    record: { value: valueOf(0) },
    log: "",
    expectedOffset: undefined,
    stamp: undefined,
  });
  const load = { count: calls, inFlight: IN_FLIGHT, request: () => request };
  return {
    cost: async () => {
      const before = server.cpuSeconds;
      await callUnary(driver, "Produce", load);
      return ((server.cpuSeconds - before) / calls) * 1e6;
    },
    [Symbol.asyncDispose]: async () => {
      driver[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export const row: Row = { run };
