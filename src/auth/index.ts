/**
 * # auth: who is it, and may they
 *
 * Three questions, one file each. *Whom do we believe?* `tls.ts`: certificates, keys and authorities
 * from files, read again when they change; `expiry.ts` tells when they end. *Who is it?* `identity.ts`: a certificate is a peer of this
 * cluster (a SAN URI `spiffe://<cluster>/node/<name>`, or an issuer that signs peers only), or a client
 * (its common name), or nobody. *May they?* `policy.ts`: a Casbin model and policy, everything that is
 * not allowed is denied. `authorizer.ts` answers all three for a connection; `certificates.ts` issues
 * what the first two read, for those who have no authority of their own.
 *
 * Invariants: a peer is never a client and a client never a peer, whatever the names; a name that could
 * be read in two ways is nobody's; files that cannot be used leave in force what was in force, and say
 * so once; a decision holds for one version of the policy and is forgotten with it; nothing here is
 * looked at for a call on a server that has neither certificates of clients nor a policy.
 *
 * Left out on purpose: what needs which permission (`server`, in one table), revocation lists (make
 * certificates short-lived, and take the name out of the policy), tokens and passwords.
 */
export { Authorizer, type AuthorizerOptions, type AuthorizedCaller } from "./authorizer.ts";
export {
  createAuthority,
  issueCertificate,
  type CertificateKind,
  type IssueOptions,
  type KeyPairPem,
} from "./certificates.ts";
export { ExpiryWatch, type ExpiryOptions } from "./expiry.ts";
export { ANY_PEER, identityOf, peerUri, type Identity, type IdentityRules } from "./identity.ts";
export { ACTIONS, DEFAULT_MODEL, parsePolicy, type Action, type Policy } from "./policy.ts";
export { Reloaded, type ReloadedOptions } from "./reloaded.ts";
export { loadTlsMaterial, openTlsFiles, type TlsMaterial, type TlsPaths } from "./tls.ts";
