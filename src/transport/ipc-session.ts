import type { IncomingQuery, Member } from "../gossip/index.ts";
import type { Encodable, Fields } from "./gossip-msgpack.ts";
import type { IpcLog } from "./ipc-log.ts";
import type { IpcMembership } from "./ipc-port.ts";

/** One operator's connection, as commands see it. */
export interface IpcSession {
  readonly membership: IpcMembership;
  readonly log: IpcLog;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** Queries that this operator was told of and may answer, by the number it was given. */
  readonly queries: Map<number, IncomingQuery>;
  /** An answer: its head, and its body when there is one. */
  send(seq: number, body?: Encodable, error?: string): void;
  /** A record of a stream; left out when the reader is slow. */
  sendRecord(seq: number, record: Encodable): void;
  /** What to do when a stream is stopped, or the connection is gone. Throws for one too many. */
  addStream(seq: number, stop: () => void): void;
  stopStream(seq: number): void;
}

export interface IpcCommand {
  /** A second value follows the request's head. */
  readonly hasBody: boolean;
  /** A second value follows the answer's head, also when the answer is an error: clients wait for it. */
  readonly answersBody: boolean;
  /** Answers. What it throws is answered as the error. */
  readonly run: (session: IpcSession, seq: number, body: Fields) => Promise<void> | void;
}

/** A member as the tools print it. */
export function memberFields(member: Member): Encodable {
  const { name, address, tags, status, versions } = member;
  const [pMin = 0, pMax = 0, pCur = 0, dMin = 0, dMax = 0, dCur = 0] = versions;
  return {
    Addr: address.ip,
    DelegateCur: dCur,
    DelegateMax: dMax,
    DelegateMin: dMin,
    Name: name,
    Port: address.port,
    ProtocolCur: pCur,
    ProtocolMax: pMax,
    ProtocolMin: pMin,
    Status: status,
    Tags: tags,
  };
}
