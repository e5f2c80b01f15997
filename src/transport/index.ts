/**
 * # transport: bytes between processes
 *
 * One port serves every protocol that a server speaks; the first bytes of a connection say which, or
 * what its TLS handshake has agreed on.
 * Who may be on the other end, and what is said there, is for those who get the connection.
 *
 * Gossip has a port of its own, UDP and TCP (`gossip-*`): the bytes of memberlist and Serf, from
 * msgpack up to packets and streams, and the sockets. A packet is taken apart from the outside in,
 * each layer with a limit: `gossip-packet` (encryption, checksum, compression, compound) →
 * `gossip-message` (memberlist) → `gossip-serf`. Nothing that comes from outside throws, grows without
 * bound, or is told of more than once a second.
 *
 * Invariants: a connection is handed over once, with all its bytes still to be read; until then it
 * is bounded in time, and afterwards it is still cut when the port is closed.
 *
 * Left out on purpose: which certificates are shown and believed (`auth`), and whom they name.
 */
export { formatIp, isLoopbackIp, parseIp } from "./gossip-address.ts";
export { serfCodec } from "./gossip-codec.ts";
export { Keyring } from "./gossip-keyring.ts";
export { GossipSocket, type GossipSocketOptions } from "./gossip-socket.ts";
export { IpcClient, type IpcClientOptions, type IpcMember } from "./ipc-client.ts";
export { IpcLog } from "./ipc-log.ts";
export type { IpcAnswer, IpcEvent, IpcKeyReport, IpcMembership } from "./ipc-port.ts";
export { IpcServer, type IpcServerOptions } from "./ipc-server.ts";
export * from "./mux.ts";
export { resolveHost } from "./resolve.ts";
export { sniffPrefix, type Verdict } from "./sniff.ts";
export { PEER_SERVER_NAME, type TlsListenerOptions } from "./tls-listener.ts";
