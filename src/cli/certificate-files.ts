import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { ANY_PEER, createAuthority, issueCertificate } from "../auth/index.ts";
import type { IssueOptions, KeyPairPem } from "../auth/index.ts";
import { ProglogError } from "../base/index.ts";

/** Where a certificate and its key were written. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** What becomes part of a file's name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
/** Another one would name nobody. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const AUTHORITY = "ca";
/** The files of the one certificate for all servers, whose name is no file's. */
const ALL_PEERS = "peers";

/** Makes an authority in a folder. One that is there is kept: what it has signed would be worth nothing. */
export async function initAuthority(
  folder: string,
  name: string,
  days?: number,
): Promise<CertificateFiles> {
  const files = filesOf(folder, AUTHORITY);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return write(files, await createAuthority(name, { days }));
}

/** Makes a certificate, signed by the authority of the folder, beside it. */
export async function issueFromFiles(
  folder: string,
  options: Omit<IssueOptions, "authority">,
): Promise<CertificateFiles> {
  const { name, kind } = options;
  if (kind === "peer" && name === ANY_PEER) return issue(folder, ALL_PEERS, options);
  if (!NAME.test(name) || name === AUTHORITY) {
    const rule = "letters, digits, dots, hyphens and underscores";
    throw new ProglogError("CONFIGURATION", `--name ${JSON.stringify(name)} is not of ${rule}`);
  }
  if (kind === "peer" && !LABEL.test(name)) {
    const sentence = `--name ${name}: a server's name is a DNS label, as --node-name`;
    throw new ProglogError("CONFIGURATION", sentence);
  }
  return issue(folder, name, options);
}

async function issue(
  folder: string,
  fileName: string,
  options: Omit<IssueOptions, "authority">,
): Promise<CertificateFiles> {
  const authority = await readAuthority(filesOf(folder, AUTHORITY));
  return write(filesOf(folder, fileName), await issueCertificate({ ...options, authority }));
}

function filesOf(folder: string, name: string): CertificateFiles {
  return { cert: path.join(folder, `${name}.pem`), key: path.join(folder, `${name}-key.pem`) };
}

async function readAuthority({ cert, key }: CertificateFiles): Promise<KeyPairPem> {
  try {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    const sentence = `no authority to sign with: ${message}; see proglog certs init`;
    throw new ProglogError("CONFIGURATION", sentence, { cause });
  }
}

/** Never over a file that is there. Keys are for their owner alone. */
async function write(files: CertificateFiles, pair: KeyPairPem): Promise<CertificateFiles> {
  try {
    await writeFile(files.key, pair.key, { flag: "wx", mode: 0o600 });
    await writeFile(files.cert, pair.cert, { flag: "wx" });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "there is one already" : ProglogError.from(cause).message;
    throw new ProglogError("CONFIGURATION", `${files.cert}: ${why}`, { cause });
  }
  return files;
}
