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
 * Replicas speak over two connections for each direction (`peer-*`, `raft-*`): one for heartbeats, votes
 * and reads, one for entries, so that a heartbeat never waits behind a megabyte. `raft-codec` is the
 * layout of messages, `peer-frame` what is around them, `peer-hello` and `peer-greeting` who may speak;
 * `PeerLinks` dials and sends, `PeerListener` takes what the port has told apart. Entries travel as the
 * bytes that the log keeps; what they are, a `LogWire` knows. What waits is bounded and then lost: Raft
 * says again what matters. What servers ask each other besides, `PeerCalls` asks over the same links, once,
 * and knows whether it may have arrived. A message is believed to come from whom the hello named, and nobody else.
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
export { PEER_METHODS, PeerCalls } from "./peer-calls.ts";
export type { PeerCallOptions, PeerCallsOptions, PeerHandler, PeerMethod } from "./peer-calls.ts";
export type { PeerRole, Refused } from "./peer-greeting.ts";
export { RAFT_ALPN } from "./peer-hello.ts";
export type { Hello, HelloAnswer, PeerIdentity, Refusal } from "./peer-hello.ts";
export { dialPlain, PeerLink } from "./peer-link.ts";
export type { PeerAddress, PeerDial, PeerLinkOptions } from "./peer-link.ts";
export { PeerLinks } from "./peer-links.ts";
export { PeerListener, type PeerListenerOptions } from "./peer-listener.ts";
export type { Call, LogWire, PeerMessage, Reply } from "./peer-message.ts";
export { resolveHost } from "./resolve.ts";
export { sniffPrefix, type Verdict } from "./sniff.ts";
export { PEER_SERVER_NAME, type TlsListenerOptions } from "./tls-listener.ts";
