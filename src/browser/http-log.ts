import { limits, ProglogError } from "../base/index.ts";
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

export interface RecordsOptions extends SignalOptions {
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
  readonly highWatermark: number;
}

export interface ServerListings {
  readonly clusterId: string;
  readonly term: number;
  readonly servers: readonly ServerListing[];
}

/** A log that grows is not what it was a moment ago. */
const NOT_CACHED = { cache: "no-store" };

/** Opens nothing yet. `url` is where a server answers HTTP: `http://127.0.0.1:8080`. */
export function connect(url: string, options: BrowserOptions = {}): HttpLog {
  return new HttpLog(url, options);
}

/** The log of one server, over HTTP. Every failure is a `ProglogError` with a `code` and `retryable`. */
export class HttpLog {
  readonly #base: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #attemptsMax: number;
  readonly #credentials: BrowserOptions["credentials"];

  /** @private Use `connect`. */
  constructor(url: string, options: BrowserOptions) {
    this.#base = url.replace(/\/+$/, "");
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
  read(offset: number, { signal }: SignalOptions = {}): Promise<HttpRecord> {
    return this.#get(`/v1/records?offset=${offset}&limit=1`, signal, async (response) => {
      const text = await response.text();
      if (text !== "") return recordOf(parseJson(text));
      throw new ProglogError(
        "OFFSET_OUT_OF_RANGE",
        `The requested offset is outside of the log: ${offset}`,
        { details: { offset: String(offset) } },
      );
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
        for await (const record of this.#events(next, end, signal)) {
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
        await retries.failed(errorOfFetch(caught, signal), signal);
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
    signal: AbortSignal | undefined,
  ): AsyncGenerator<HttpRecord, void, undefined> {
    const limit = Number.isFinite(end) ? `&limit=${end - from}` : "";
    const headers = { accept: "text/event-stream" };
    const response = await this.#request(
      `/v1/records?offset=${from}&follow=true${limit}`,
      { headers },
      signal,
    );
    if (response.body === null) return;
    for await (const { event, data } of readEvents(response.body)) {
      const json = parseJson(data);
      if (event === "failure") throw errorOfBody(json);
      yield recordFromJson(json);
    }
  }

  async #resolve({ from = "start", signal }: RecordsOptions): Promise<{
    readonly start: number;
    readonly logEnd: number;
  }> {
    const timestampMs = from instanceof Date ? from.getTime() : undefined;
    const { lowest, next, atTimestamp } = await this.offsets({ timestampMs, signal });
    if (typeof from === "number") return { start: from, logEnd: next };
    const start = from === "start" ? lowest : from === "end" ? next : (atTimestamp ?? next);
    return { start, logEnd: next };
  }

  async #append(body: string, signal: AbortSignal | undefined): Promise<readonly number[]> {
    const init = { method: "POST", body, headers: { "content-type": "application/json" } };
    const retries = new Retries(this.#attemptsMax);
    for (;;) {
      try {
        const response = await this.#request("/v1/records", init, signal);
        const { offsets } = await bodyOf(response);
        if (!Array.isArray(offsets)) throw unreadable();
        return offsets as readonly number[];
      } catch (caught) {
        const error = errorOfFetch(caught, signal);
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
        await retries.failed(errorOfFetch(caught, signal), signal);
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

async function bodyOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  return asObject(parseJson(await response.text()));
}

/** A line of an answer that has begun: a record, or the error that the server met instead of it. */
function recordOf(json: unknown): HttpRecord {
  if ("error" in asObject(json)) throw errorOfBody(json);
  return recordFromJson(json);
}

function listingOf(server: Readonly<Record<string, unknown>>): ServerListing {
  return {
    id: String(server["id"]),
    rpcAddress: String(server["rpc_addr"]),
    httpAddress: String(server["http_addr"]),
    isLeader: server["is_leader"] === true,
    role: server["role"] === "learner" ? "learner" : "voter",
    highWatermark: Number(server["high_watermark"]),
  };
}
