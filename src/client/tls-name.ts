import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

const DOMAIN = ".address.proglog";

/**
 * What a server is called in the handshake. An IP address may not stand there (RFC 6066), so it is
 * written as a name, from which `checkIdentity` reads it again.
 */
export function tlsNameOf(host: string): string {
  return isIP(host) === 0 ? host : `ip-${host.replaceAll(".", "_").replaceAll(":", "-")}${DOMAIN}`;
}

/** Node's check of a server's certificate, for a name that `tlsNameOf` made. */
export function checkIdentity(name: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(hostOf(name), certificate);
}

function hostOf(name: string): string {
  if (!name.startsWith("ip-") || !name.endsWith(DOMAIN)) return name;
  return name.slice("ip-".length, -DOMAIN.length).replaceAll("_", ".").replaceAll("-", ":");
}
