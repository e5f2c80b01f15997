import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, test } from "node:test";
import { createAuthority, issueCertificate } from "./certificates.ts";
import { identityOf } from "./identity.ts";
import type { Identity, IdentityRules } from "./identity.ts";

const RULES: IdentityRules = { clusterName: "proglog", peerAuthorities: [] };

/** A certificate as far as names go: subjects and alternative names as Node writes them. */
function named(subject: string, subjectAltName?: string, rules = RULES): Identity {
  const certificate = { subject, subjectAltName } as unknown as X509Certificate;
  return identityOf(certificate, rules);
}

describe("identity", () => {
  test("real certificates: a client by its common name, a peer by its URI", async () => {
    const authority = await createAuthority("ca");
    const client = await issueCertificate({ authority, kind: "client", name: "root" });
    const peer = await issueCertificate({
      ...{ authority, kind: "peer", name: "a", clusterName: "proglog", hosts: ["a.example"] },
    });
    const server = await issueCertificate({ authority, kind: "server", name: "s.example" });
    const of = (pem: string, rules = RULES): Identity =>
      identityOf(new X509Certificate(pem), rules);
    assert.deepEqual(of(client.cert), { kind: "client", subject: "root" });
    assert.deepEqual(of(peer.cert), { kind: "peer", subject: "node:a", name: "a" });
    assert.equal(of(peer.cert, { ...RULES, clusterName: "other" }).kind, "nobody");

    // Where certificates cannot carry a URI, an authority that signs peers only.
    const peerAuthorities = [new X509Certificate(authority.cert)];
    const rules = { ...RULES, peerAuthorities };
    assert.equal(of(client.cert, rules).kind, "nobody");
    assert.equal(of(server.cert, rules).kind, "nobody", "a name with dots is no label");
    const label = await issueCertificate({ authority, kind: "server", name: "b" });
    assert.deepEqual(of(label.cert, rules), { kind: "peer", subject: "node:b", name: "b" });
    const impostor = await createAuthority("ca");
    const forged = await issueCertificate({ authority: impostor, kind: "client", name: "root" });
    assert.equal(of(forged.cert, rules).kind, "client", "the issuer's name alone proves nothing");
  });

  const clients = [
    "root",
    "a",
    "Alice Smith",
    "svc@example.org",
    "team/a-1",
    "system:writer",
    "a.b_c",
  ];
  for (const name of clients) {
    test(`${name} is a client`, () => {
      assert.deepEqual(named(`O=x\nCN=${name}`), { kind: "client", subject: name });
    });
  }

  const tricks: Readonly<Record<string, string>> = {
    "a comma": "CN=root\\, *",
    "a newline": "CN=root\\0Ap",
    "a NUL": "CN=root\\00.evil.example",
    "a look-alike": "CN=r\u043e\u043et",
    "right to left": "CN=root\u202e",
    "a quote": 'CN="root"',
    "a star": "CN=*",
    "an empty name": "CN=",
    "no name": "O=root",
    "two names": "CN=root\nCN=nobody",
    "two names in one part": "CN=nobody+CN=root",
    "a peer's name": "CN=node:a",
    "a space around it": "CN=root ",
    "an escape sequence": "CN=root\\1B[31m",
    "sixty-five characters": `CN=${"a".repeat(65)}`,
  };
  for (const [name, subject] of Object.entries(tricks)) {
    test(`a common name with ${name} is nobody's`, () => {
      const identity = named(subject);
      assert.equal(identity.kind, "nobody");
      assert.match("reason" in identity ? identity.reason : "", /^[ -~]+$/);
    });
  }

  const uris: Readonly<Record<string, Identity["kind"]>> = {
    "URI:spiffe://proglog/node/a": "peer",
    "DNS:a, URI:spiffe://proglog/node/a, IP Address:127.0.0.1": "peer",
    "URI:spiffe://other/node/a": "nobody",
    "URI:spiffe://proglog/node/": "nobody",
    "URI:spiffe://proglog/node/*": "nobody",
    "URI:spiffe://proglog/node/A": "nobody",
    "URI:spiffe://proglog/node/a/b": "nobody",
    "URI:spiffe://proglog/node/%61": "nobody",
    "URI:SPIFFE://proglog/node/a": "nobody",
    "URI:spiffe://proglog//node/a": "nobody",
    "URI:spiffe://proglog/node": "nobody",
    'URI:" spiffe://proglog/node/a"': "nobody",
    'URI:"spiffe://proglog/node/a\\u002c URI:x"': "nobody",
    "URI:spiffe://proglog/node/a, URI:spiffe://proglog/node/b": "nobody",
    "URI:spiffe://proglog/node/a, URI:spiffe://mesh/ns/x": "nobody",
    "URI:spiffe://mesh/ns/default/sa/writer": "client",
    'DNS:"a\\u002c URI:spiffe://proglog/node/a"': "client",
    "DNS:a.example": "client",
    "DNS:": "client",
    'URI:"never closed': "nobody",
    nonsense: "nobody",
  };
  for (const [names, kind] of Object.entries(uris)) {
    test(`${names} makes a ${kind}`, () => {
      assert.equal(named("CN=root", names).kind, kind);
    });
  }

  test("a certificate for all servers is a server's only where that is allowed", async () => {
    const authority = await createAuthority("ca");
    const { cert } = await issueCertificate({
      ...{ authority, kind: "peer", name: "*", clusterName: "proglog" },
    });
    const certificate = new X509Certificate(cert);
    assert.equal(certificate.subjectAltName, "URI:spiffe://proglog/node/*");
    assert.equal(identityOf(certificate, RULES).kind, "nobody");
    const rules = { ...RULES, allowsSharedPeers: true };
    assert.deepEqual(identityOf(certificate, rules), {
      kind: "peer",
      subject: "node:*",
      name: "*",
    });
    assert.equal(identityOf(certificate, { ...rules, clusterName: "other" }).kind, "nobody");
    for (const name of ["**", "a*", "*/a", "%2a"]) {
      assert.equal(named("CN=*", `URI:spiffe://proglog/node/${name}`, rules).kind, "nobody", name);
    }
    assert.deepEqual(named("CN=x", "URI:spiffe://proglog/node/a", rules), {
      ...{ kind: "peer", subject: "node:a", name: "a" },
    });
    assert.equal(named("CN=*", "DNS:*", rules).kind, "nobody", "the common name says nothing");
  });
});
