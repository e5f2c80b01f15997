/**
 * # browser: the log from a web page
 *
 * The HTTP API over `fetch`, and server-sent events for those who follow: the same words as the client's,
 * for whatever has `fetch` and no sockets. A browser loads it as it is, without a bundler.
 *
 * ```ts
 * import { connect } from "proglog/browser";
 *
 * const log = connect("http://127.0.0.1:8080");
 * const { offset } = await log.produce({ value: "Let's Go #1" });
 * const record = await log.read(offset);
 *
 * for await (const record of log.records({ from: "start" })) {
 *   console.log(record.offset, textOf(record.value));
 * }
 * ```
 *
 * Invariants: no `node:` import and nothing of Node's own, here and in what this imports; a stream goes on
 * at the record after the last one that was handed out, over any number of broken connections; an
 * append is repeated only when it is certain that it did not happen.
 *
 * Left out on purpose: finding the servers of a cluster (a page talks to the origin that let it in, and
 * that server hands appends on), batches, producers' stamps. A page is let in by the servers'
 * `--http-allow-origin`.
 */
export { type ErrorCode, type ErrorDetails, ProglogError } from "../base/index.ts";
export {
  type BrowserOptions,
  connect,
  HttpLog,
  type Offsets,
  type Position,
  type ProduceAnswer,
  type ReadOptions,
  type RecordsOptions,
  type ServerListing,
  type ServerListings,
} from "./http-log.ts";
export { type HttpHeader, type HttpRecord, type HttpRecordInput, textOf } from "./record-json.ts";
