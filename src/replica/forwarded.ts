import { AssertionError, assert, decodeBatch, limits, ProglogError } from "../base/index.ts";
import type { AppendOptions, AppendStream, Clock, Observer, Span } from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import { notAppended } from "./checks.ts";
import { decodeForwardRequest, encodeForwardResults } from "./forward-codec.ts";
import type { ForwardedAppend, ForwardRequest, ForwardResult } from "./forward-codec.ts";
import type { LocalAppends } from "./forwarding.ts";

/** Goes on with a trace that another server told of, as `traceparent`; undefined where nobody looks. */
export type ResumeTrace = (traceparent: string) => Span | undefined;

export interface ForwardedParts {
  readonly local: LocalAppends;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly resumeTrace?: ResumeTrace | undefined;
}

/** A client's stream at another server: what came so far, and whether it goes on. */
interface FollowedStream {
  readonly stream: AppendStream;
  next: number;
}

/**
 * The leader's side of forwarding: appends that came in at others. They are decided here or not at
 * all, and never handed on: one hop is enough where the sender was right, and more would not help.
 *
 * A stream's appends may come in several requests, of which the network may lose one; each says its
 * place, so that what follows a gap is refused.
 */
export class ForwardedAppends {
  readonly #parts: ForwardedParts;
  readonly #streams = new Map<string, FollowedStream>();
  #term = 0;

  constructor(parts: ForwardedParts) {
    this.#parts = parts;
  }

  /** Resolves with all answers of a request; rejects, with `notAppended`, when none of it was taken. */
  async answer(payload: Uint8Array, from: ReplicaId): Promise<Uint8Array> {
    const request = this.#taken(payload);
    const { clock, observer } = this.#parts;
    observer.count("forwarded_appends_total", request.appends.length);
    const deadline = new AbortController();
    const cancel = clock.after(request.timeoutMs, () => deadline.abort(tooLate()));
    try {
      // All are begun, in their order, before any is waited for.
      const results = request.appends.map((append) => this.#begin(append, from, deadline.signal));
      return encodeForwardResults(await Promise.all(results));
    } finally {
      cancel();
    }
  }

  #taken(payload: Uint8Array): ForwardRequest {
    const { local } = this.#parts;
    let request: ForwardRequest;
    try {
      request = decodeForwardRequest(payload);
    } catch (error) {
      throw notAppended(ProglogError.from(error));
    }
    if (!local.decides || local.term !== request.term) throw local.notLeader();
    if (request.term !== this.#term) this.#streams.clear();
    this.#term = request.term;
    return request;
  }

  async #begin(
    append: ForwardedAppend,
    from: ReplicaId,
    signal: AbortSignal,
  ): Promise<ForwardResult> {
    const { resumeTrace } = this.#parts;
    const span = append.trace === undefined ? undefined : resumeTrace?.(append.trace);
    try {
      const result = await this.#append(append, { from, signal, span });
      span?.end();
      return result;
    } catch (caught) {
      if (caught instanceof AssertionError) throw caught;
      const error = ProglogError.from(caught);
      span?.end(error.message);
      const { code, notAppended: none } = error;
      const { subject } = append;
      this.#parts.observer.log("debug", "replica.forwarded-append-failed", {
        from,
        subject,
        code,
        none,
      });
      return { kind: "failed", error };
    }
  }

  async #append(
    append: ForwardedAppend,
    { from, signal, span }: Pick<AppendOptions, "signal" | "span"> & { readonly from: ReplicaId },
  ): Promise<ForwardResult> {
    const { local } = this.#parts;
    const { kind, body, expectedOffset, stamp } = append;
    if (kind === "producer") {
      const name = new TextDecoder().decode(body);
      return { kind: "producer", identity: await local.createProducer(name, signal) };
    }
    const stream = this.#streamOf(append, from);
    const options: AppendOptions = { expectedOffset, stamp, stream, signal, span };
    // A view of a frame in which others are: base offset and leader epoch will be written into it.
    const answer =
      kind === "batch"
        ? await local.appendBatch(body.slice(), options)
        : await local.append(recordOf(body), options);
    return { kind: "appended", answer };
  }

  #streamOf({ stream }: ForwardedAppend, from: ReplicaId): AppendStream | undefined {
    if (stream === undefined) return undefined;
    const key = `${from}/${stream.id}`;
    const known = this.#streams.get(key) ?? { stream: {}, next: 0 };
    if (known.next !== stream.position) {
      const error = new ProglogError("UNAVAILABLE", "an append before this one did not arrive", {
        notAppended: true,
      });
      known.stream.failed ??= error;
      throw error;
    }
    known.next += 1;
    // The longest unused is forgotten first; what is forgotten is refused, and begins anew.
    this.#streams.delete(key);
    this.#streams.set(key, known);
    if (this.#streams.size > limits.forwardedStreamsMax) {
      for (const [oldest] of this.#streams) {
        this.#streams.delete(oldest);
        break;
      }
    }
    return known.stream;
  }
}

/** A time of 0 is none: the server's clock is asked when it is appended. */
function recordOf(body: Uint8Array) {
  let records;
  try {
    records = decodeBatch(body);
  } catch (error) {
    throw notAppended(ProglogError.from(error));
  }
  const [record] = records;
  assert(record !== undefined && records.length === 1, "a record is forwarded as a batch of one");
  const { value, key, headers, timestampMs } = record;
  return { value, key, headers, timestampMs: timestampMs === 0 ? undefined : timestampMs };
}

function tooLate(): ProglogError {
  return new ProglogError("DEADLINE_EXCEEDED", "the append was not committed in time");
}
