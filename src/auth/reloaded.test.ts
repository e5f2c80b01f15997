import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { credentials } from "../../test/support/credentials.ts";
import { makeFolder } from "../../test/support/program.ts";
import { silentObserver } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { Reloaded } from "./reloaded.ts";
import { openTlsFiles } from "./tls.ts";

/** A clock that never rings: the test looks at the files itself. */
const still: Clock = { now: Date.now, monotonic: () => 0, after: () => () => undefined };

function recording(): Observer & { readonly told: string[] } {
  const told: string[] = [];
  return {
    ...silentObserver,
    told,
    log: (level, event, fields) =>
      void told.push(`${level} ${event} ${String(fields?.["reason"])}`),
  };
}

async function lookTwice(files: { check(): Promise<void> }): Promise<void> {
  await files.check();
  await files.check();
}

describe("files that are read again", () => {
  async function openText(t: TestContext) {
    const folder = makeFolder(t);
    const path = join(folder, "file");
    writeFileSync(path, "one");
    const observer = recording();
    const load = ([content]: readonly Buffer[]): string => {
      const text = String(content);
      if (text.startsWith("bad")) throw new Error(`it is\n${text}`);
      return text;
    };
    const files = await Reloaded.open({
      name: "file",
      paths: [path],
      load,
      clock: still,
      observer,
    });
    t.after(() => files.close());
    return { folder, path, files, observer };
  }

  test("a change is taken once it has settled, and told", async (t) => {
    const { path, files, observer } = await openText(t);
    const heard: string[] = [];
    files.onChange((value) => heard.push(value));
    writeFileSync(path, "two");
    await files.check();
    assert.equal(files.value, "one");
    writeFileSync(path, "three");
    await files.check();
    assert.equal(files.value, "one");
    await files.check();
    assert.deepEqual([files.value, files.version, heard], ["three", 2, ["three"]]);
    await lookTwice(files);
    assert.deepEqual(observer.told, ["info file.reloaded undefined"]);
  });

  test("what cannot be used leaves what was, is told once in one line, and may get better", async (t) => {
    const { path, files, observer } = await openText(t);
    writeFileSync(path, "bad");
    await lookTwice(files);
    await lookTwice(files);
    rmSync(path);
    await lookTwice(files);
    assert.deepEqual([files.value, files.version], ["one", 1]);
    assert.deepEqual(observer.told[0], "error file.refused it is bad");
    assert.match(observer.told[1] ?? "", /^error file\.refused ENOENT/);
    assert.equal(observer.told.length, 2);
    writeFileSync(path, "good");
    await lookTwice(files);
    assert.equal(files.value, "good");
  });

  test("a directory that is swapped by a link above it, as Kubernetes does", async (t) => {
    const folder = makeFolder(t);
    for (const version of ["v1", "v2"]) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "file"), version);
    }
    symlinkSync("v1", join(folder, "data"));
    symlinkSync("data/file", join(folder, "file"));
    const load = ([content]: readonly Buffer[]): string => String(content);
    const files = await Reloaded.open({
      ...{ name: "file", paths: [join(folder, "file")], load, clock: still },
    });
    t.after(() => files.close());
    symlinkSync("v2", join(folder, "data-new"));
    renameSync(join(folder, "data-new"), join(folder, "data"));
    await lookTwice(files);
    assert.equal(files.value, "v2");
  });
});

describe("TLS files", () => {
  async function open(t: TestContext) {
    const made = await credentials();
    const folder = makeFolder(t);
    const paths = {
      certFile: join(folder, "cert.pem"),
      keyFile: join(folder, "key.pem"),
      caFile: join(folder, "ca.pem"),
    };
    const write = (cert: string, key: string, ca: string): void => {
      writeFileSync(paths.certFile, cert);
      writeFileSync(paths.keyFile, key);
      writeFileSync(paths.caFile, ca);
    };
    write(made.server.cert, made.server.key, made.authority.cert);
    const observer = recording();
    const opening = () => openTlsFiles(paths, "server", { clock: still, observer });
    return { made, paths, write, observer, opening };
  }

  test("each mistake is refused with its file; the old certificate stays", async (t) => {
    const { made, paths, write, observer, opening } = await open(t);
    const files = await opening();
    t.after(() => files.close());
    const before = files.value;
    const { server, authority, root, otherAuthority } = made;
    const half = server.cert.slice(0, server.cert.length / 2);
    const mistakes: readonly [string, string, string, RegExp][] = [
      [half, server.key, authority.cert, /cert\.pem is cut off/],
      ["", server.key, authority.cert, /cert\.pem has no certificate/],
      [server.cert, root.key, authority.cert, /key\.pem is not the key of .*cert\.pem/],
      [server.cert, server.key.slice(0, 60), authority.cert, /key\.pem is no private key/],
      [server.cert, server.cert, authority.cert, /key\.pem is no private key/],
      [server.cert, server.key, "", /ca\.pem has no certificate/],
      [server.cert, server.key, server.cert, /ca\.pem has a certificate that is no authority's/],
      [root.cert, root.key, authority.cert, /cert\.pem has a certificate that is not for servers/],
      [made.expired.cert, made.expired.key, authority.cert, /cert\.pem has expired/],
      [
        made.notYetValid.cert,
        made.notYetValid.key,
        authority.cert,
        /cert\.pem is not valid before/,
      ],
      [
        server.cert.replace(/[A-Za-z]{9}/g, "AAAAAAAAA"),
        server.key,
        authority.cert,
        /cannot be read|no certificate/,
      ],
    ];
    for (const [cert, key, ca, says] of mistakes) {
      write(cert, key, ca);
      await lookTwice(files);
      assert.match(observer.told.at(-1) ?? "", says);
      assert.equal(files.value, before);
      await assert.rejects(opening(), (error: { code: string; message: string }) => {
        assert.equal(error.code, "CONFIGURATION");
        return says.test(error.message);
      });
    }
    assert.equal(observer.told.length, mistakes.length);
    rmSync(paths.keyFile);
    await assert.rejects(opening(), { code: "CONFIGURATION", message: /key\.pem/ });

    const { cert, key } = made.serverOnly;
    write(cert, key, otherAuthority.cert + authority.cert);
    await lookTwice(files);
    assert.equal(files.value.authorities.length, 2);
    assert.notEqual(files.value, before);
  });

  test("a peer's certificate is for both ends", async (t) => {
    const { made, paths, write } = await open(t);
    await assert.rejects(openTlsFiles(paths, "peer"), /not for both ends/);
    write(made.peer.cert, made.peer.key, made.authority.cert);
    (await openTlsFiles(paths, "peer")).close();
  });
});
