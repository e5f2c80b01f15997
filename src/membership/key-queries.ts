import { ProglogError } from "../base/index.ts";
import type { Codec, KeyOperation, KeyResponse, QueryOptions } from "../gossip/index.ts";
import type { GossipKeys } from "./ports.ts";
import type { QueryAnswer } from "./running-queries.ts";

/** What the cluster said to a key operation. */
export interface KeyReport {
  /** Members that confirmed the question, and that answered it; a failure is an answer too. */
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
  /** What members said besides: failures, mostly. By name. */
  readonly messages: ReadonlyMap<string, string>;
  /** Keys in base64, and how many members hold each; how many encrypt with each. */
  readonly keys: ReadonlyMap<string, number>;
  readonly primaryKeys: ReadonlyMap<string, number>;
}

export type AnswerTo = (query: QueryOptions, signal?: AbortSignal) => AsyncIterable<QueryAnswer>;

const NAMES: Readonly<Record<KeyOperation, string>> = {
  install: "_serf_install-key",
  use: "_serf_use-key",
  remove: "_serf_remove-key",
  list: "_serf_list-keys",
};

/** Changes the keys of all members, by queries that each of them carries out. */
export class KeyQueries {
  readonly #codec: Codec;
  readonly #query: AnswerTo;

  constructor(codec: Codec, query: AnswerTo) {
    this.#codec = codec;
    this.#query = query;
  }

  /** Runs for the time of a query. `list` has no key. */
  async run(
    operation: KeyOperation,
    key: Uint8Array | undefined,
    membersCount: number,
    signal?: AbortSignal,
  ): Promise<KeyReport> {
    const payload =
      key === undefined ? new Uint8Array(0) : this.#codec.encodeSerf({ kind: "key-request", key });
    const messages = new Map<string, string>();
    const keys = new Map<string, number>();
    const primaryKeys = new Map<string, number>();
    let answered = 0;
    let failed = 0;
    for await (const answer of this.#query({ name: NAMES[operation], payload }, signal)) {
      if (answer.kind === "ack") continue;
      const said = this.#codec.decodeSerf(answer.payload);
      answered += 1;
      if (said?.kind !== "key-response") {
        failed += 1;
        messages.set(answer.from, "the answer is not understood");
        continue;
      }
      if (!said.ok) failed += 1;
      if (said.text !== "") messages.set(answer.from, said.text);
      for (const held of said.keys) keys.set(held, (keys.get(held) ?? 0) + 1);
      const { primaryKey } = said;
      if (primaryKey !== "") primaryKeys.set(primaryKey, (primaryKeys.get(primaryKey) ?? 0) + 1);
      // Everybody has spoken: there is nothing to wait for.
      if (answered >= membersCount) break;
    }
    return { asked: membersCount, answered, failed, messages, keys, primaryKeys };
  }
}

/** Carries out what the cluster asks of our own keyring. */
export function changeKeys(
  keys: GossipKeys,
  operation: KeyOperation,
  key: Uint8Array,
): KeyResponse {
  const none = { kind: "key-response", keys: [], primaryKey: "", text: "" } as const;
  if (keys.isEmpty) return { ...none, ok: false, text: "the keyring is empty: not encrypted" };
  try {
    if (operation === "list") {
      const held = keys.list();
      return { ...none, ok: true, keys: held, primaryKey: held[0] ?? "" };
    }
    keys[operation](key);
    return { ...none, ok: true };
  } catch (error) {
    return { ...none, ok: false, text: ProglogError.from(error).message };
  }
}
