import type {
  GossipStatus,
  IncomingQuery,
  KeyOperation,
  Member,
  QueryOptions,
  Tags,
} from "../gossip/index.ts";

/** What operators' tools are told of as it happens. */
export type IpcEvent =
  | { readonly kind: "join" | "leave" | "failed" | "update" | "reap"; readonly member: Member }
  | {
      readonly kind: "user";
      readonly name: string;
      readonly payload: Uint8Array;
      readonly time: number;
      readonly coalesce: boolean;
    }
  | { readonly kind: "query"; readonly query: IncomingQuery }
  | { readonly kind: "lost"; readonly count: number };

export type IpcAnswer =
  | { readonly kind: "ack"; readonly from: string }
  | { readonly kind: "response"; readonly from: string; readonly payload: Uint8Array };

export interface IpcKeyReport {
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
  readonly messages: ReadonlyMap<string, string>;
  readonly keys: ReadonlyMap<string, number>;
  readonly primaryKeys: ReadonlyMap<string, number>;
}

/** Membership, as operators' tools ask of it. */
export interface IpcMembership {
  readonly name: string;
  readonly tags: Tags;
  readonly isEncrypted: boolean;
  readonly keyQueries: {
    run(
      operation: KeyOperation,
      key: Uint8Array | undefined,
      membersCount: number,
      signal?: AbortSignal,
    ): Promise<IpcKeyReport>;
  };
  members(): readonly Member[];
  status(): GossipStatus;
  subscribe(listener: (event: IpcEvent) => void): () => void;
  joinOnce(addresses: readonly string[], options: { ignoreOld?: boolean }): Promise<number>;
  leave(): Promise<void>;
  setTags(tags: Tags): void;
  userEvent(name: string, payload: Uint8Array, coalesce: boolean): void;
  query(options: QueryOptions, signal?: AbortSignal): AsyncIterable<IpcAnswer>;
  respond(query: IncomingQuery, payload: Uint8Array): void;
  forceLeave(name: string, prune: boolean): boolean;
}
