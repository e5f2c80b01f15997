/**
 * # transport: bytes between processes
 *
 * One port serves every protocol that a server speaks; the first bytes of a connection say which.
 * Who may be on the other end, and what is said there, is for those who get the connection.
 *
 * Invariants: a connection is handed over once, with all its bytes still to be read; until then it
 * is bounded in time, and afterwards it is still cut when the port is closed.
 *
 * Left out on purpose: TLS, where the handshake decides instead of the first bytes, and the links
 * between replicas. Both are protocols like the others here.
 */
export * from "./mux.ts";
export { sniffPrefix, type Verdict } from "./sniff.ts";
