import { crc32 } from "node:zlib";
import type { PeerMessage } from "../../src/replica/index.ts";
import type { LogFacts, VoteFacts, Watch } from "../checkers/index.ts";

/** What is durable at the sender; undefined where it is not looked at. */
export interface DiskFacts {
  lastIndex(): number | undefined;
  vote(): VoteFacts | undefined;
}

/** Tells the checkers what can be read off the messages of replicas. */
export function watchMessage(watch: Watch, envelope: PeerMessage, disk: DiskFacts): void {
  if (envelope.kind !== "raft") return;
  const { message, entries, from } = envelope;
  if (message.kind === "requestVoteResponse") {
    if (!message.rejected) watch.voted(from, message.term, message.to, disk.vote());
  } else if (message.kind === "appendEntries") {
    let previous: number | undefined = message.previousTerm;
    for (const { index, term, payload } of entries) {
      watch.entry({ index, term, digest: crc32(payload) }, previous);
      previous = term;
    }
  } else if (message.kind === "appendEntriesResponse") {
    if (message.rejected || message.damageId > 0) return;
    const durable = disk.lastIndex();
    if (durable !== undefined) watch.acknowledged(from, message.index, factsOf(durable));
  }
}

/** Of a log that is not looked into: only how far it goes. */
export function factsOf(lastIndex: number): LogFacts {
  return { firstIndex: Infinity, lastIndex, durableIndex: lastIndex, termAt: unknownTerm };
}

function unknownTerm(): undefined {
  return undefined;
}
