/**
 * # testing: a server for other people's tests
 *
 * `startTestServer` runs a real server in the process of the test: the same services, log and protocol,
 * on free ports of the loopback, with its data in a temporary directory that goes when it does.
 *
 * ```ts
 * import { startTestServer } from "proglog/testing";
 *
 * await using server = await startTestServer();
 * const client = server.client();
 * const { offset } = await client.produce({ value: Buffer.from("hello") });
 * ```
 *
 * Invariants: nothing is mocked, so what works here works against a cluster of one; nothing is left
 * open, and no file, after `close`; many may run at once.
 *
 * Left out on purpose: faults (close the server and start another on `dataDir` for a restart), TLS and
 * access lists other than by the agent's own settings, fsync: data are not synced unless `settings` say so.
 */
export { startTestServer, type TestServer, type TestServerOptions } from "./test-server.ts";
