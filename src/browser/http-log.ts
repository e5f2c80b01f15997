import { type ErrorDetails, limits, ProglogError } from "../base/index.ts";
import { readEvents } from "./event-stream.ts";
import { errorOfBody, errorOfFetch, errorOfResponse } from "./http-error.ts";
import {
  asObject,
  type HttpRecord,
  type HttpRecordInput,
  parseJson,
  recordFromJson,
  recordToJson,
  unreadable,
} from "./record-json.ts";
import { Retries } from "./retries.ts";

export interface BrowserOptions {
  /** In place of the global one: a test's, or one that adds what a proxy wants to see. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Attempts of a call, and of a stream without progress between them. */
  readonly attemptsMax?: number | undefined;
  /** `include` sends cookies and client certificates to another origin. Default: as `fetch` does. */
  readonly credentials?: "omit" | "same-origin" | "include" | undefined;
}

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** An offset, the first or the next record of the log, or the first one appended at or after a time. */
export type Position = number | "start" | "end" | Date;

export interface ReadOptions extends SignalOptions {
  /**
   * Wait until the server has the record at this offset. Without it: what was appended through this
   * `HttpLog`. A page that was told of a record by somebody else says so here.
   */
  readonly minOffset?: number | undefined;
}

export interface RecordsOptions extends ReadOptions {
  /** Default: the start. */
  readonly from?: Position | undefined;
  /** Go on with new records as they come. Default: end where the log ends at the call. */
  readonly follow?: boolean | undefined;
  /** End after so many records. */
  readonly limit?: number | undefined;
}

export interface ProduceAnswer {
  readonly offset: number;
}

export interface Offsets {
  /** The first offset that can still be read. */
  readonly lowest: number;
  /** One past the highest committed offset. */
  readonly next: number;
  /** The first offset appended at or after the time asked for, if there is one. */
  readonly atTimestamp: number | undefined;
}

export interface ServerListing {
  readonly id: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly isLeader: boolean;
  readonly role: "voter" | "learner";
  /** One past the highest committed offset that it has; undefined where who was asked cannot tell. */
  readonly highWatermark: number | undefined;
}

export interface ServerListings {
  readonly clusterId: string;
  readonly term: number;
  readonly servers: readonly ServerListing[];
}

/** What is read: from an offset on, to where the log ends. */
interface Range {
  readonly start: number;
  readonly logEnd: number;
}

/** A log that grows is not what it was a moment ago. */
const NOT_CACHED = { cache: "no-store" };

/**
 * Opens nothing yet. `url` is where a server answers HTTP: `http://127.0.0.1:8080`; in a page also a path
 * of its own origin. Throws `INVALID_ARGUMENT`.
 */
export function connect(url: string, options: BrowserOptions = {}): HttpLog {
  return new HttpLog(url, options);
}

/** The log of one server, over HTTP. Every failure is a `ProglogError` with a `code` and `retryable`. */
export class HttpLog {
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #attemptsMax: number;
  readonly #credentials: BrowserOptions["credentials"];
  /** One past the highest offset that was acknowledged here: the server that was asked may be behind. */
  #ownNext = 0;

  /** @private Use `connect`. */
  constructor(url: string, options: BrowserOptions) {
    this.#base = checkedUrl(url);
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#attemptsMax = options.attemptsMax ?? limits.retryAttemptsMax;
    this.#credentials = options.credentials;
  }

  /**
   * Appends one record; resolves when it is durable. An error whose `notAppended` is false leaves open
   * whether it was appended.
   */
  async produce(
    record: HttpRecordInput,
    options: SignalOptions & { readonly expectedOffset?: number | undefined } = {},
  ): Promise<ProduceAnswer> {
    const { expectedOffset, signal } = options;
    const condition = expectedOffset === undefined ? {} : { expected_offset: expectedOffset };
    const body = JSON.stringify({ ...recordToJson(record), ...condition });
    const [offset] = await this.#append(body, signal);
    return { offset: offset as number };
  }

  /** Appends records with neighbouring offsets: all of them, or none. Answers the offsets. */
  produceAll(
    records: readonly HttpRecordInput[],
    { signal }: SignalOptions = {},
  ): Promise<readonly number[]> {
    return this.#append(JSON.stringify({ records: records.map(recordToJson) }), signal);
  }

  /** The record at one offset. `OFFSET_OUT_OF_RANGE` where there is none. */
  read(offset: number, options: ReadOptions = {}): Promise<HttpRecord> {
    const path = `/v1/records?offset=${offset}&limit=1${this.#minOffset(options)}`;
    return this.#get(path, options.signal, async (response) => {
      const text = await response.text();
      if (text !== "") return recordOf(parseJson(text));
      throw outOfRange(offset, {});
    });
  }

  /** Records in the order of the log, each once. `break` ends the stream. */
  async *records(options: RecordsOptions = {}): AsyncGenerator<HttpRecord, void, undefined> {
    const { follow = false, signal, limit = Infinity } = options;
    const range = await this.#resolve(options);
    const end = Math.min(range.start + limit, follow ? Infinity : range.logEnd);
    const retries = new Retries(follow ? limits.followRetryAttemptsMax : this.#attemptsMax);
    let next = range.start;
    while (next < end) {
      try {
        for await (const record of this.#events(next, end, options)) {
          if (record.offset !== next) {
            const message = `the server sent offset ${record.offset} instead of ${next}`;
            throw new ProglogError("INTERNAL", message);
          }
          next += 1;
          retries.reset();
          yield record;
        }
        if (next >= end) return;
        throw new ProglogError("UNAVAILABLE", "the server ended the stream");
      } catch (caught) {
        await retries.failed(errorOfFetch(caught, this.#base, signal), signal);
      }
    }
  }

  offsets(
    options: SignalOptions & { readonly timestampMs?: number | undefined } = {},
  ): Promise<Offsets> {
    const { timestampMs, signal } = options;
    const query = timestampMs === undefined ? "" : `?timestamp_ms=${timestampMs}`;
    return this.#get(`/v1/offsets${query}`, signal, async (response) => {
      const json = await bodyOf(response);
      const at = json["at_timestamp"];
      return {
        lowest: Number(json["lowest"]),
        next: Number(json["next"]),
        atTimestamp: typeof at === "number" ? at : undefined,
      };
    });
  }

  /** The servers of the cluster, and which of them leads. */
  servers({ signal }: SignalOptions = {}): Promise<ServerListings> {
    return this.#get("/v1/servers", signal, async (response) => {
      const { servers, cluster_id: clusterId, term } = await bodyOf(response);
      if (!Array.isArray(servers)) throw new ProglogError("INTERNAL", "a list of no servers");
      return {
        clusterId: String(clusterId),
        term: Number(term),
        servers: servers.map((server: unknown) => listingOf(asObject(server))),
      };
    });
  }

  async *#events(
    from: number,
    end: number,
    options: ReadOptions,
  ): AsyncGenerator<HttpRecord, void, undefined> {
    const limit = Number.isFinite(end) ? `&limit=${end - from}` : "";
    const headers = { accept: "text/event-stream" };
    const response = await this.#request(
      `/v1/records?offset=${from}&follow=true${limit}${this.#minOffset(options)}`,
      { headers },
      options.signal,
    );
    if (response.body === null) return;
    for await (const { event, data } of readEvents(response.body)) {
      const json = parseJson(data);
      if (event === "failure") throw errorOfBody(json);
      yield recordFromJson(json);
    }
  }

  /** From words to offsets; asks the server only when that is needed. */
  async #resolve(options: RecordsOptions): Promise<Range> {
    const { from = "start", follow = false, minOffset = -1, signal } = options;
    if (typeof from === "number" && follow) return { start: from, logEnd: Infinity };
    const timestampMs = from instanceof Date ? from.getTime() : undefined;
    const { lowest, next, atTimestamp } = await this.offsets({ timestampMs, signal });
    let logEnd = Math.max(next, this.#ownNext, minOffset + 1);
    if (typeof from !== "number") {
      const start =
        from === "start" ? lowest : ((from === "end" ? undefined : atTimestamp) ?? logEnd);
      return { start, logEnd };
    }
    if (from > logEnd) logEnd = Math.max(logEnd, await this.#provenEnd(signal));
    if (from > logEnd) throw outOfRange(from, { lowest: String(lowest), next: String(logEnd) });
    return { start: from, logEnd };
  }

  /**
   * One past the last record that was acknowledged to anyone before this. A server says that a record is
   * beyond the end only after it has asked the leader, so it is asked for one that cannot be.
   */
  async #provenEnd(signal: AbortSignal | undefined): Promise<number> {
    try {
      await this.read(Number.MAX_SAFE_INTEGER, { signal });
    } catch (error) {
      const { code, details } = ProglogError.from(error);
      if (code === "OFFSET_OUT_OF_RANGE") return Number(details["next"]);
      throw error;
    }
    throw new ProglogError("INTERNAL", "the server has a record where there can be none");
  }

  /** A parameter of the request, or nothing. */
  #minOffset({ minOffset }: ReadOptions): string {
    const offset = minOffset ?? this.#ownNext - 1;
    return offset < 0 ? "" : `&min_offset=${offset}`;
  }

  async #append(body: string, signal: AbortSignal | undefined): Promise<readonly number[]> {
    const init = { method: "POST", body, headers: { "content-type": "application/json" } };
    const retries = new Retries(this.#attemptsMax);
    for (;;) {
      try {
        const response = await this.#request("/v1/records", init, signal);
        const { offsets } = await bodyOf(response);
        if (!Array.isArray(offsets)) throw unreadable();
        for (const offset of offsets) this.#ownNext = Math.max(this.#ownNext, Number(offset) + 1);
        return offsets as readonly number[];
      } catch (caught) {
        const error = errorOfFetch(caught, this.#base, signal);
        if (!error.notAppended) throw error;
        await retries.failed(error, signal);
      }
    }
  }

  async #get<T>(
    path: string,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const retries = new Retries(this.#attemptsMax);
    for (;;) {
      try {
        return await read(await this.#request(path, {}, signal));
      } catch (caught) {
        await retries.failed(errorOfFetch(caught, this.#base, signal), signal);
      }
    }
  }

  async #request(
    path: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const response = await this.#fetch(`${this.#base}${path}`, {
      ...init,
      ...NOT_CACHED,
      ...(this.#credentials === undefined ? {} : { credentials: this.#credentials }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) throw await errorOfResponse(response);
    return response;
  }
}

/** Without slashes at its end. */
function checkedUrl(url: string): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  try {
    const { protocol } = new URL(url, location?.href);
    if (/^https?:$/.test(protocol)) return url.replace(/\/+$/, "");
  } catch {
    // No URL at all.
  }
  const message = `"${url}" is not where a server answers HTTP, such as http://127.0.0.1:8080`;
  throw new ProglogError("INVALID_ARGUMENT", message);
}

function outOfRange(offset: number, details: ErrorDetails): ProglogError {
  const message = `The requested offset is outside of the log: ${offset}`;
  return new ProglogError("OFFSET_OUT_OF_RANGE", message, {
    details: { offset: String(offset), ...details },
  });
}

async function bodyOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  return asObject(parseJson(await response.text()));
}

/** A line of an answer that has begun: a record, or the error that the server met instead of it. */
function recordOf(json: unknown): HttpRecord {
  if ("error" in asObject(json)) throw errorOfBody(json);
  return recordFromJson(json);
}

function wholeOrNone(json: unknown): number | undefined {
  return typeof json === "number" ? json : undefined;
}

function listingOf(server: Readonly<Record<string, unknown>>): ServerListing {
  return {
    id: String(server["id"]),
    rpcAddress: String(server["rpc_addr"]),
    httpAddress: String(server["http_addr"]),
    isLeader: server["is_leader"] === true,
    role: server["role"] === "learner" ? "learner" : "voter",
    highWatermark: wholeOrNone(server["high_watermark"]),
  };
}
