import { createPrivateKey, X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { ProglogError, systemClock } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { Reloaded } from "./reloaded.ts";

/** Files in PEM. */
export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  /** Who signs those that may connect. Empty: nobody is asked for a certificate. */
  readonly caFile: string;
}

/** What a certificate is for: a server shows it to clients, a peer shows it on either end. */
export type TlsRole = "server" | "peer";

/** A certificate with its key and the authorities that are believed, checked to belong together. */
export interface TlsMaterial {
  readonly certificate: X509Certificate;
  readonly authorities: readonly X509Certificate[];
  /** For a context; `ca` is absent when no authority was given. */
  readonly options: SecureContextOptions;
}

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const USAGES: Readonly<Record<TlsRole, readonly string[]>> = {
  server: [SERVER_AUTH],
  peer: [SERVER_AUTH, CLIENT_AUTH],
};
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Opens the files, and reads them again when they change. Rejects with `CONFIGURATION`. */
export function openTlsFiles(
  paths: TlsPaths,
  role: TlsRole,
  options: { readonly clock?: Clock | undefined; readonly observer?: Observer | undefined } = {},
): Promise<Reloaded<TlsMaterial>> {
  const { certFile, keyFile, caFile } = paths;
  const clock = options.clock ?? systemClock;
  return Reloaded.open({
    ...options,
    name: `${role}_tls`,
    paths: [certFile, keyFile, ...(caFile === "" ? [] : [caFile])],
    load: (contents) => loadTlsMaterial(paths, contents, role, clock.now()),
  });
}

/**
 * Checks what the library would only notice at a handshake, or never: that each file holds what it
 * should, that key and certificate are a pair, that the certificate is valid now and for this role.
 * Throws `CONFIGURATION` with one sentence that names the file.
 */
export function loadTlsMaterial(
  { certFile, keyFile, caFile }: TlsPaths,
  [certPem = Buffer.alloc(0), keyPem = Buffer.alloc(0), caPem]: readonly Buffer[],
  role: TlsRole,
  nowMs: number,
): TlsMaterial {
  const [certificate] = certificatesIn(certFile, certPem);
  if (certificate === undefined) throw invalid(`${certFile} has no certificate in PEM`);
  checkValidity(certFile, certificate, nowMs);
  checkUsage(certFile, certificate, role);
  const key = readKey(keyFile, keyPem);
  if (!certificate.checkPrivateKey(key)) {
    throw invalid(`${keyFile} is not the key of the certificate in ${certFile}`);
  }
  const authorities = caPem === undefined ? [] : readAuthorities(caFile, caPem);
  const ca = authorities.map((authority) => authority.toString());
  const options = { cert: certPem, key: keyPem, ...(caPem === undefined ? {} : { ca }) };
  try {
    createSecureContext(options);
  } catch (cause) {
    throw invalid(`${certFile}, ${keyFile}: ${ProglogError.from(cause).message}`, cause);
  }
  return { certificate, authorities, options };
}

function readAuthorities(file: string, pem: Buffer): X509Certificate[] {
  const authorities = certificatesIn(file, pem);
  if (authorities.length === 0) throw invalid(`${file} has no certificate in PEM`);
  if (!authorities.every(({ ca }) => ca)) {
    throw invalid(`${file} has a certificate that is no authority's`);
  }
  return authorities;
}

function certificatesIn(file: string, pem: Buffer): X509Certificate[] {
  const text = pem.toString("latin1");
  const blocks = text.match(PEM) ?? [];
  // Half a file has more beginnings than ends.
  if (blocks.length !== text.split("-----BEGIN CERTIFICATE-----").length - 1) {
    throw invalid(`${file} is cut off in a certificate`);
  }
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw invalid(`${file} has a certificate that cannot be read`, cause);
    }
  });
}

function readKey(file: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw invalid(`${file} is no private key in PEM without a passphrase`, cause);
  }
}

function checkValidity(file: string, certificate: X509Certificate, nowMs: number): void {
  const { validFrom, validTo } = certificate;
  if (nowMs < Date.parse(validFrom)) throw invalid(`${file} is not valid before ${validFrom}`);
  if (nowMs > Date.parse(validTo)) throw invalid(`${file} has expired, ${validTo}`);
}

function checkUsage(file: string, certificate: X509Certificate, role: TlsRole): void {
  // Of extended key usage, whatever the property is called; absent, a certificate is for everything.
  const usages = certificate.keyUsage as string[] | undefined;
  if (usages === undefined || USAGES[role].every((usage) => usages.includes(usage))) return;
  const ends = role === "server" ? "servers" : "both ends of a connection";
  throw invalid(`${file} has a certificate that is not for ${ends}`);
}

function invalid(sentence: string, cause?: unknown): ProglogError {
  return new ProglogError("CONFIGURATION", sentence, { cause });
}
