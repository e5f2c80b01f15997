/** What the page on operating a cluster says, done block by block to servers with certificates. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { ClusterClient, connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { makeFolder } from "../support/program.ts";
import { root } from "../support/root.ts";
import { findBlocks, Machines } from "./support/machines.ts";
import type { Block } from "./support/machines.ts";

const PAGE = join(root, "docs", "operating", "cluster.md");
const NAMES = ["a", "b", "c"] as const;
const ALL = ["a", "b", "c", "d", "e"] as const;
const RECORDS = 150;
const PATIENCE_MS = 90_000;
const LOOK_MS = 50;

interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The blocks of a section that are left: taken, or taken and done. */
interface Rest {
  readonly take: () => Block;
  readonly next: () => Promise<void>;
}

test("an operator does to five servers what the page says", async (t) => {
  const blocks = findBlocks(readFileSync(PAGE, "utf8"));
  await using machines = await Machines.make(makeFolder(t), ALL);
  const certs = join(machines.home, "certs");
  const done = new Set<Block>();

  const tls = (): TlsFiles => ({
    ca: readFileSync(join(certs, "ca.pem")),
    cert: readFileSync(join(certs, "root.pem")),
    key: readFileSync(join(certs, "root-key.pem")),
  });
  const addresses = (...names: readonly string[]): string =>
    names.map((name) => machines.address(name)).join(",");
  const open = (...names: readonly string[]): Client =>
    connect(addresses(...names), { tls: tls() });
  const until = async (isSo: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    const end = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
      assert.ok(performance.now() < end, `it does not come to be: ${what}`);
      await sleep(LOOK_MS);
    }
  };
  const ready = (...names: readonly string[]): Promise<string[]> =>
    Promise.all(names.map((name) => machines.server(name).ready));
  const members = async (): Promise<string> => {
    await using client = new ClusterClient(addresses(...NAMES), { tls: tls() });
    const { members } = await client.ask("GetStatus", {}).catch(() => ({ members: [] }));
    return members
      .map(({ name, role }) => `${name} ${role}`)
      .toSorted()
      .join(", ");
  };
  const voters = (...names: readonly string[]): Promise<void> => {
    const wanted = names.map((name) => `${name} voter`).join(", ");
    return until(async () => (await members()) === wanted, wanted);
  };
  const values = async (...names: readonly string[]): Promise<string[]> => {
    await using client = open(...names);
    const seen: string[] = [];
    for await (const { value } of client.records({ from: "start", consistency: "linearizable" })) {
      seen.push(Buffer.from(value ?? []).toString());
    }
    return seen;
  };
  const produce = async (text: string, count = 1): Promise<void> => {
    await using client = open(...NAMES);
    await using producer = client.producer();
    for (let n = 0; n < count; n++) await producer.send({ value: Buffer.from(`${text} ${n}`) });
  };
  const leader = async (): Promise<string> => {
    await using client = open(...NAMES);
    return (await client.servers()).servers.find(({ isLeader }) => isLeader)?.id ?? "";
  };
  const hand = (from: string, name: string, to: string): void => {
    for (const [theirs, ours] of [
      ["ca.pem", "ca.pem"],
      [`${name}.pem`, "peer.pem"],
      [`${name}-key.pem`, "peer-key.pem"],
    ] as const) {
      copyFileSync(join(from, theirs), join(machines.etc(name), to, ours));
    }
  };
  /** One section of the page: its blocks one after the other, each done when it is asked for. */
  const section = async (name: string, work: (rest: Rest, t: TestContext) => Promise<void>) => {
    let isDone = false;
    await t.test(name, async (t) => {
      const rest = blocks.filter((block) => block.section === name);
      const take = (): Block => {
        const block = rest.shift() ?? assert.fail("the page has another block");
        done.add(block);
        return block;
      };
      await work({ take, next: () => machines.do(take()) }, t);
      assert.deepEqual(rest, [], "every block was done");
      isDone = true;
    });
    // What comes after one that failed would only fail late.
    assert.ok(isDone, name);
  };

  await section("Begin", async ({ next }) => {
    await next();
    for (const name of ALL) {
      copyFileSync(join(certs, "proglog.env"), join(machines.etc(name), "proglog.env"));
      hand(certs, name, "tls");
    }
    await next();
    await ready(...NAMES);
    await next();
    await next();
    await voters(...NAMES);
    await produce("first", RECORDS);
  });

  await section("Grow", async ({ next }) => {
    await next();
    await ready("d", "e");
    await voters(...ALL);
  });

  await section("Shrink", async ({ next }) => {
    const gone = ["d", "e"].map((name) => machines.server(name));
    await next();
    await voters(...NAMES);
    for (const server of gone) assert.equal(await server.ended, 77, server.stderr);
    for (const name of ["d", "e"]) await machines.lose(name);
  });

  await section("Replace", async ({ next }) => {
    await next();
    await voters(...NAMES);
    await ready("c");
    assert.ok((await values("c")).length >= RECORDS);
  });

  await section("Stop, and upgrade one at a time", async ({ take, next }, t) => {
    const [restart, wait] = [take(), take()];
    assert.deepEqual([restart.where, wait.where], ["each", "after each"]);
    await using client = open(...NAMES);
    const over = new AbortController();
    let calls = 0;
    const load = (async () => {
      for (; !over.signal.aborted; calls++) {
        await client.produce({ value: Buffer.from(`meanwhile ${calls}`) });
        await sleep(5);
      }
    })();
    const last = await leader();
    for (const name of [...NAMES.filter((each) => each !== last), last]) {
      const server = machines.server(name);
      await Promise.race([load, machines.on(name, restart.text)]);
      assert.equal(await server.ended, 0, server.stderr);
      await Promise.race([load, machines.operate(wait.text)]);
    }
    over.abort();
    await load;
    t.diagnostic(`${calls} calls meanwhile, none of which failed`);
    assert.ok(calls > 0);
    await next();
    assert.equal(await leader(), "b");
  });

  await section("When the majority is lost for good", async ({ next }) => {
    const before = await values("a");
    for (const name of ["b", "c"]) await machines.lose(name);
    await next();
    await ready("a");
    assert.deepEqual(await values("a"), before);
    await next();
    await voters(...NAMES);
    await produce("after the loss");
    assert.deepEqual(await values("b"), [...before, "after the loss 0"]);
  });

  await section("Back up and restore", async ({ next }) => {
    await next();
    await next();
    await ready("e");
    await next();
    assert.deepEqual(await values("e"), await values(...NAMES));
    await machines.lose("e");
  });

  await section("Certificates", async ({ next }) => {
    const reloads = (name: string): number =>
      machines.server(name).stderr.split('"server_tls.reloaded"').length;
    /** Does what the page says next to all servers, and waits until each has seen it. */
    const replaced = async (): Promise<void> => {
      const before = NAMES.map(reloads);
      await next();
      await until(
        () => NAMES.every((name, at) => reloads(name) > (before[at] ?? 0)),
        "each has read the files again",
      );
    };
    await next();
    const fresh = join(machines.home, "new");
    for (const name of NAMES) hand(fresh, name, "new");
    await replaced();
    await replaced();
    await next();
    await produce("with both authorities");
    const authority = new X509Certificate(readFileSync(join(fresh, "ca.pem")));
    await replaced();
    await next();
    for (const name of NAMES) {
      const shown = await certificateOf(machines.address(name), tls());
      assert.ok(shown.verify(authority.publicKey), `${name} shows a new certificate`);
    }
    // Links between servers that are dialled from now on need the new ones too.
    await machines.on("c", "systemctl restart proglog\n");
    await ready("c");
    await produce("with the new authority");
    await voters(...NAMES);
  });

  await section("Keep less", async ({ next }) => {
    await next();
    await using client = open(...NAMES);
    const { lowest } = await client.offsets();
    assert.equal(lowest, 100);
  });

  assert.deepEqual(
    blocks.filter((block) => !done.has(block)),
    [],
    "there is no block that nobody did",
  );
});

async function certificateOf(address: string, tls: TlsFiles): Promise<X509Certificate> {
  const [host = "", port] = address.split(":");
  const socket = connectTls({ ...tls, host, port: Number(port), ALPNProtocols: ["h2"] });
  try {
    await once(socket, "secureConnect");
    return socket.getPeerX509Certificate() ?? assert.fail("it shows no certificate");
  } finally {
    socket.destroy();
  }
}
