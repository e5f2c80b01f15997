import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "../../src/auth/index.ts";
import type { IssueOptions, KeyPairPem } from "../../src/auth/index.ts";

export const CLUSTER = "proglog";
const DAY_MS = 86_400_000;
const HOSTS = ["localhost", "127.0.0.1"];

/** The book's two files. */
export const BOOK_MODEL = `# Request definition
[request_definition]
r = sub, obj, act

# Policy definition
[policy_definition]
p = sub, obj, act

# Policy effect
[policy_effect]
e = some(where (p.eft == allow))

# Matchers
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
`;
export const BOOK_POLICY = "p, root, *, produce\np, root, *, consume\n";

/** Certificates of every kind that a test shows to a server. Making them takes a moment: share them. */
export interface Credentials {
  readonly authority: KeyPairPem;
  readonly otherAuthority: KeyPairPem;
  readonly server: KeyPairPem;
  readonly root: KeyPairPem;
  readonly nobody: KeyPairPem;
  readonly unknown: KeyPairPem;
  readonly otherCa: KeyPairPem;
  readonly expired: KeyPairPem;
  readonly notYetValid: KeyPairPem;
  readonly serverOnly: KeyPairPem;
  readonly peer: KeyPairPem;
}

let made: Promise<Credentials> | undefined;

export function credentials(): Promise<Credentials> {
  made ??= makeCredentials();
  return made;
}

async function makeCredentials(): Promise<Credentials> {
  const authority = await createAuthority("the authority");
  const otherAuthority = await createAuthority("another authority");
  const client = (name: string, rest: Partial<IssueOptions> = {}): Promise<KeyPairPem> =>
    issueCertificate({ authority, kind: "client", name, ...rest });
  const ago = (days: number): Date => new Date(Date.now() - days * DAY_MS);
  return {
    authority,
    otherAuthority,
    server: await issueCertificate({ authority, kind: "server", name: "localhost", hosts: HOSTS }),
    root: await client("root"),
    nobody: await client("nobody"),
    unknown: await client("somebody else"),
    otherCa: await client("root", { authority: otherAuthority }),
    expired: await client("root", { notBefore: ago(30), days: 10 }),
    notYetValid: await client("root", { notBefore: ago(-10) }),
    serverOnly: await issueCertificate({ authority, kind: "server", name: "root" }),
    peer: await issueCertificate({
      ...{ authority, kind: "peer", name: "a", clusterName: CLUSTER, hosts: HOSTS },
    }),
  };
}

/** Writes what a server is told to read; answers its settings. */
export function writeServerFiles(
  folder: string,
  { server, authority }: Pick<Credentials, "server" | "authority">,
  policy: string = BOOK_POLICY,
) {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  return {
    serverTlsCertFile: write("server.pem", server.cert),
    serverTlsKeyFile: write("server-key.pem", server.key),
    serverTlsCaFile: write("ca.pem", authority.cert),
    aclModelFile: write("model.conf", BOOK_MODEL),
    aclPolicyFile: write("policy.csv", policy),
  };
}
