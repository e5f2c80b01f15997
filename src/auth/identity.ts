import type { X509Certificate } from "node:crypto";
import { shown } from "./shown.ts";

/** Who is at the other end of a connection. */
export type Identity =
  /** Named by the common name of a certificate that one of our authorities signed. */
  | { readonly kind: "client"; readonly subject: string }
  /** A server of this cluster, `ANY_PEER` if it does not say which. Its common name means nothing. */
  | { readonly kind: "peer"; readonly subject: string; readonly name: string }
  /** Showed no certificate; the reason says why none could be seen. */
  | { readonly kind: "anonymous"; readonly subject: "anonymous"; readonly reason: string }
  /** Showed one that names nobody here. */
  | { readonly kind: "nobody"; readonly subject: "nobody?"; readonly reason: string };

export interface IdentityRules {
  readonly clusterName: string;
  /** Authorities that sign peers and nobody else: whoever they signed is a peer. */
  readonly peerAuthorities: readonly X509Certificate[];
  /** Whether a certificate may be that of all servers of the cluster. Default: it names nobody. */
  readonly allowsSharedPeers?: boolean | undefined;
}

/** In place of a name, in the certificate that all servers of a cluster share. */
export const ANY_PEER = "*";

/** In front of a peer's name where subjects stand; no client's name may begin with it. */
const PEER_PREFIX = "node:";
/** A client's name: it goes into policies, log lines and headers, so it must read in one way only. */
const COMMON_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._@:/-]{0,62}[A-Za-z0-9._@/-]$|^[A-Za-z0-9]$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const PEER_URI = /^spiffe:\/\/([a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?)\/node\/([^/]+)$/;
/** Identities of other kinds that a client's certificate may carry besides: of a workload, say. */
const OTHER_URI = /^spiffe:\/\/[a-z0-9._-]+\/(?!node(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;
/** An entry of `subjectAltName`: what would be mistaken for a separator stands in quotes. */
const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/** How a certificate calls a server of a cluster. */
export function peerUri(clusterName: string, name: string): string {
  return `spiffe://${clusterName}/node/${name}`;
}

/** Whom a certificate names. That it is genuine and valid was checked before, by TLS. */
export function identityOf(certificate: X509Certificate, rules: IdentityRules): Identity {
  const names = alternativeNames(certificate.subjectAltName ?? "");
  if (names === undefined) return nobody("its subjectAltName cannot be read");
  const uris = names.filter(({ kind, value }) => kind === "URI" && /^\W*spiffe:/i.test(value));
  if (uris.length > 1) return nobody("it has more than one spiffe URI");
  const uri = uris[0]?.value;
  if (uri !== undefined && !OTHER_URI.test(uri)) return peerByUri(uri, rules);
  if (rules.peerAuthorities.some((authority) => hasSigned(authority, certificate))) {
    return peer(names.find(({ kind }) => kind === "DNS")?.value ?? "", "its first DNS name");
  }
  return client(certificate);
}

function peerByUri(uri: string, { clusterName, allowsSharedPeers }: IdentityRules): Identity {
  const [, cluster, name = ""] = PEER_URI.exec(uri) ?? [];
  if (cluster === undefined) return nobody(`its URI ${shown(uri)} is no name of a server`);
  if (cluster !== clusterName) {
    return nobody(`it is of the cluster ${shown(cluster)}, and this is ${shown(clusterName)}`);
  }
  if (name === ANY_PEER && allowsSharedPeers === true) {
    return { kind: "peer", subject: `${PEER_PREFIX}${ANY_PEER}`, name };
  }
  return peer(name, "the name in its URI");
}

function peer(name: string, what: string): Identity {
  if (!LABEL.test(name)) return nobody(`${what}, ${shown(name)}, is no DNS label`);
  return { kind: "peer", subject: `${PEER_PREFIX}${name}`, name };
}

function client(certificate: X509Certificate): Identity {
  const names = commonNames(certificate.subject);
  const [name = ""] = names;
  if (names.length !== 1) return nobody(`it has ${names.length} common names`);
  if (name.startsWith(PEER_PREFIX)) {
    return nobody(`its common name ${shown(name)} is how servers are called`);
  }
  if (!COMMON_NAME.test(name)) {
    return nobody(`its common name ${shown(name)} has characters that a name may not have`);
  }
  return { kind: "client", subject: name };
}

function nobody(reason: string): Identity {
  return { kind: "nobody", subject: "nobody?", reason: `the certificate names nobody: ${reason}` };
}

/**
 * The common names of a subject: one attribute a line, `CN=…`, with special and control characters
 * escaped by a backslash. A name with an escape is no name that we take, so nothing is unescaped.
 */
function commonNames(subject: string | undefined): string[] {
  // Attributes of one multi-valued part stand on one line, joined by a plus that is not escaped.
  return (subject ?? "")
    .split(/\n|(?<!\\)\+/)
    .map((attribute) => attribute.trimStart())
    .filter((attribute) => attribute.startsWith("CN="))
    .map((attribute) => attribute.slice("CN=".length));
}

interface AlternativeName {
  readonly kind: string;
  readonly value: string;
}

/** Undefined when the text is not what it should be: then no part of it is believed. */
function alternativeNames(text: string): AlternativeName[] | undefined {
  const names: AlternativeName[] = [];
  const pattern = new RegExp(NAME);
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const [, kind = "", value = ""] = pattern.exec(text) ?? [];
    if (kind === "") return undefined;
    names.push({ kind, value: value.startsWith('"') ? unquoted(value) : value });
  }
  return names;
}

/** What stands in quotes is escaped as in JSON. Left as it is otherwise: then it is no name at all. */
function unquoted(value: string): string {
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

function hasSigned(authority: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}
