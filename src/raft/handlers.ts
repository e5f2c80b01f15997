/** One answer for every role to every message: a table that does not compile with a hole. */
import { ACCEPTED, type Core } from "./core.ts";
import { answerPreVote, answerVote } from "./election.ts";
import type { RefusalReason } from "./event.ts";
import type { Message, MessageKind, RequestPreVote, RequestVote } from "./message.ts";
import type { StepResult } from "./result.ts";

export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>;

/** Messages of the replica's own term, or of none. */
export type Handlers<Role> = {
  readonly [K in MessageKind]: (core: Core, role: Role, message: MessageOf<K>) => StepResult;
};

/** Nothing to do, and nothing wrong. */
export function accepted(): StepResult {
  return ACCEPTED;
}

export function refusedAs(
  reason: RefusalReason,
): (core: Core, role: unknown, message: Message) => StepResult {
  return (core, _role, message) => core.refuse(message.kind, message.from, reason);
}

export function vote(core: Core, _role: unknown, message: RequestVote): StepResult {
  return answerVote(core, message);
}

export function preVote(core: Core, _role: unknown, message: RequestPreVote): StepResult {
  return answerPreVote(core, message);
}
