import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { dialPlain, PEER_SERVER_NAME, RAFT_ALPN } from "../transport/index.ts";
import type { PeerDial } from "../transport/index.ts";
import type { PeerSecurity } from "./ports.ts";

/**
 * How other servers are dialled: with our certificate where there is one, and then only to a server
 * whose own names it as the one that was asked for. Certificates are read at each dial.
 */
export function peerDial(security: PeerSecurity): PeerDial {
  return security.context === undefined ? dialPlain : secureDial(security);
}

function secureDial(security: PeerSecurity): PeerDial {
  return ({ host, port }, { name, signal }) =>
    new Promise((resolve, reject) => {
      const context = security.dialContext;
      if (context?.ca === undefined) {
        reject(new Error("without an authority no other server can be believed"));
        return;
      }
      const socket = connect({
        ...context,
        host,
        port,
        // Not a host: it asks for the certificate that is for peers, and names are in that.
        servername: PEER_SERVER_NAME,
        checkServerIdentity: () => undefined,
        ALPNProtocols: [RAFT_ALPN],
        minVersion: "TLSv1.3",
      });
      socket.setNoDelay(true);
      const abort = (): void => void socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed before the handshake was over")));
      socket.once("secureConnect", () => {
        signal.removeEventListener("abort", abort);
        const reason = strangerBecause(socket, name, security);
        if (reason === undefined) {
          socket.off("error", reject);
          resolve(socket);
        } else socket.destroy(new Error(reason));
      });
    });
}

function strangerBecause(
  socket: TLSSocket,
  name: string,
  security: PeerSecurity,
): string | undefined {
  if (socket.alpnProtocol !== RAFT_ALPN) return "the other end does not speak with replicas";
  const found = security.peerOf(socket);
  if (found === undefined) return "the certificate there is no server's";
  if (found === "any" || found.name === name) return undefined;
  return `the certificate there is that of ${found.name}`;
}
