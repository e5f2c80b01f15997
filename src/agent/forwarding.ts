import { ProglogError } from "../base/index.ts";
import type { Observer, Span } from "../base/index.ts";
import { ForwardingLog } from "../replica/index.ts";
import type { Replica } from "../replica/index.ts";
import type { PeerCalls } from "../transport/index.ts";
import type { AgentPorts } from "./ports.ts";

interface ForwardingPorts extends AgentPorts {
  /** Goes on with a trace that another server told of. */
  readonly resumeTrace?: (traceparent: string) => Span | undefined;
}

/** The log of the cluster: appends that come in here are decided by whoever leads, and vice versa. */
export function forwardingLog(
  { replica, calls }: { readonly replica: Replica; readonly calls: PeerCalls },
  observer: Observer,
  { clock, random, schedule, resumeTrace }: ForwardingPorts = {},
): ForwardingLog {
  const log = new ForwardingLog(replica, {
    ask: (leader, payload, timeoutMs) =>
      calls.call(leader, "forwardAppends", payload, { timeoutMs }),
    ...{ observer, clock, random, schedule, resumeTrace },
  });
  calls.handle("forwardAppends", (payload, { clusterId, name, replicaId }) => {
    if (clusterId === "") throw stranger(name);
    return log.answer(payload, replicaId);
  });
  return log;
}

/** It may ask to be let in, and nothing else. */
function stranger(name: string): ProglogError {
  const text = `${name} belongs to no cluster, and hands nothing on`;
  return new ProglogError("PERMISSION_DENIED", text, { notAppended: true });
}
