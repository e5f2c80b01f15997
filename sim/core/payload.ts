import type { Entry } from "../../src/raft/index.ts";
import { hashText } from "../world/index.ts";

/** What clients put into entries: the record's value, and which attempt brought it. */
export interface Payload {
  readonly value: string;
  readonly attempt: number;
}

export function payloadOf(entry: Entry): Payload | undefined {
  return entry.kind === "normal" ? (entry.payload as Payload) : undefined;
}

/** A number that stands for an entry's content. */
export function digestOf(entry: Entry): number {
  switch (entry.kind) {
    case "normal":
      return hashText((entry.payload as Payload).value) ^ (entry.payload as Payload).attempt;
    case "noop":
      return 1;
    case "configuration":
      return hashText(JSON.stringify(entry.payload.operations));
  }
}
