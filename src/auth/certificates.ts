import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type * as X509 from "@peculiar/x509";
import { ProglogError } from "../base/index.ts";
import { ANY_PEER, peerUri } from "./identity.ts";

/** A certificate and its key, both in PEM. */
export interface KeyPairPem {
  readonly cert: string;
  readonly key: string;
}

export type CertificateKind = "server" | "client" | "peer";

export interface ValidityOptions {
  readonly days?: number | undefined;
  /** Default: a little before now, for clocks that are behind. */
  readonly notBefore?: Date | undefined;
}

export interface IssueOptions extends ValidityOptions {
  readonly authority: KeyPairPem;
  readonly kind: CertificateKind;
  /** A client's name in policies; a server's host; a peer's `--node-name`, or `ANY_PEER`. */
  readonly name: string;
  /** Names and addresses by which a server or a peer is reached. */
  readonly hosts?: readonly string[] | undefined;
  /** For peers. */
  readonly clusterName?: string | undefined;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const DAYS = 365;
const CLOCK_SKEW_MS = 300_000;

/** Makes an authority: a key, and a certificate that it has signed itself. */
export async function createAuthority(
  name: string,
  options: ValidityOptions = {},
): Promise<KeyPairPem> {
  const x509 = await library();
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(options, AUTHORITY_DAYS),
    name: [{ CN: [name] }],
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: certificatePem(certificate), key: await keyPem(keys.privateKey) };
}

/** Makes a key, and a certificate for it. Rejects with `CONFIGURATION` for an authority that is none. */
export async function issueCertificate(options: IssueOptions): Promise<KeyPairPem> {
  const x509 = await library();
  const { authority, kind, name, clusterName = "" } = options;
  const issuer = new x509.X509Certificate(authority.cert);
  const keys = await newKeys();
  const names = alternativeNames(kind, name, options.hosts ?? [], clusterName);
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const usages = { server: [serverAuth], client: [clientAuth], peer: [serverAuth, clientAuth] };
  const certificate = await x509.X509CertificateGenerator.create({
    ...common(options, DAYS, issuer.notAfter),
    subject: [{ CN: [name] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await signingKeyOf(authority),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages[kind]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return { cert: certificatePem(certificate), key: await keyPem(keys.privateKey) };
}

function alternativeNames(
  kind: CertificateKind,
  name: string,
  hosts: readonly string[],
  clusterName: string,
): X509.JsonGeneralName[] {
  if (kind === "client") return [];
  const uri = kind === "peer" ? [{ type: "url", value: peerUri(clusterName, name) } as const] : [];
  const all = hosts.includes(name) || name === ANY_PEER ? hosts : [name, ...hosts];
  return [
    ...uri,
    ...all.map((host) => ({ type: isIP(host) === 0 ? "dns" : "ip", value: host }) as const),
  ];
}

/** What every certificate has. None outlives the one that signed it. */
function common(
  { days, notBefore = new Date(Date.now() - CLOCK_SKEW_MS) }: ValidityOptions,
  daysIfNotGiven: number,
  latest?: Date,
) {
  const end = notBefore.getTime() + (days ?? daysIfNotGiven) * DAY_MS + CLOCK_SKEW_MS;
  const serial = randomBytes(16);
  // Positive, and of full length (RFC 5280, 4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return {
    notBefore,
    notAfter: new Date(Math.min(end, latest?.getTime() ?? end)),
    serialNumber: serial.toString("hex"),
    signingAlgorithm: ALGORITHM,
  };
}

/** Loaded when it is needed: a server that is given its files never is. */
async function library(): Promise<typeof X509> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

/** Ends its line, so that `cat` makes one file of two authorities. */
function certificatePem(certificate: X509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  const object = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  return object.export({ format: "pem", type: "pkcs8" }).toString();
}

/** An authority's key as other tools write it too: SEC 1 or PKCS #8. */
async function signingKeyOf({ cert, key }: KeyPairPem): Promise<webcrypto.CryptoKey> {
  try {
    const object = createPrivateKey(key);
    const certificate = new X509Certificate(cert);
    if (!certificate.ca) throw new Error("its certificate is no authority's");
    if (!certificate.checkPrivateKey(object)) throw new Error("it is of another certificate");
    if (object.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
      throw new Error("it is not of the curve P-256");
    }
    const der = object.export({ format: "der", type: "pkcs8" });
    return await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    throw new ProglogError("CONFIGURATION", `the authority's key: ${message}`, { cause });
  }
}
