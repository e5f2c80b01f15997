import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProglogError, seededRandom, silentObserver, systemClock } from "../base/index.ts";
import type { Address } from "../gossip/index.ts";
import { Joiner } from "./joiner.ts";
import { readSnapshot } from "./snapshot.ts";

/** The last byte of an address stands for its host. */
const ipOf = (host: string): Uint8Array => Uint8Array.of(10, 0, 0, Number(host.slice(1)));

interface Tried {
  readonly joiner: Joiner;
  /** Hosts that an exchange was begun with. */
  readonly hosts: number[];
}

/** No pause is waited for. */
function soon(_ms: number, run: () => void): () => void {
  const next = setImmediate(run);
  return () => clearImmediate(next);
}

/** Hosts are h1, h2, …; we are h1. */
function joining(exchange: (host: number) => Promise<void>): Tried {
  const hosts: number[] = [];
  const joiner = new Joiner({
    clock: { ...systemClock, after: soon },
    random: seededRandom(1),
    observer: silentObserver,
    addresses: {
      resolve: (name) =>
        name === "unknown"
          ? Promise.reject(new Error("ENOTFOUND"))
          : Promise.resolve(name.split("-").map(ipOf)),
      format: (ip) => ip.join("."),
    },
    own: { ip: ipOf("h1"), port: 1 },
    exchange: ({ ip }: Address) => {
      hosts.push(ip[3] ?? 0);
      return exchange(ip[3] ?? 0);
    },
  });
  return { joiner, hosts };
}

const never = new Promise<void>(() => undefined);
const refused = (): Promise<void> => Promise.reject(new ProglogError("UNAVAILABLE", "refused"));
const { signal } = new AbortController();

describe("joining", () => {
  test("a seed that is gone does not keep us from one that is there", async () => {
    const { joiner } = joining((host) => (host === 9 ? Promise.resolve() : never));
    assert.equal(await joiner.untilJoined(["h2:1", "h3:1", "h9:1"], signal), 1);
    assert.equal(await joiner.untilJoined(["h2-h3-h9:1"], signal), 1, "nor one of its addresses");
    assert.equal(await joiner.untilJoined(["h2:1"], signal, ["h3:1", "h9:1"]), 1, "nor a memory");
  });

  test("asked for each, it waits for each, and says why nobody was joined", async () => {
    const { joiner, hosts } = joining((host) => (host < 4 ? Promise.resolve() : refused()));
    assert.equal(await joiner.once(["h2:1", "h3:1", "h4:1"], false), 2);
    await assert.rejects(joiner.once(["h4:1", "unknown:1", "h1:1"], false), {
      code: "UNAVAILABLE",
      message: /h4:1: refused.*unknown: ENOTFOUND.*ourselves|ENOTFOUND.*h4/,
    });
    assert.ok(!hosts.includes(1));
    await assert.rejects(joiner.once(["h2:1", "no address"], false), { code: "INVALID_ARGUMENT" });
  });

  test("of a thousand who were there in the last life, some are tried, others each time", async () => {
    let tries = 0;
    const { joiner, hosts } = joining(() => (++tries > 20 ? Promise.resolve() : refused()));
    const remembered = Array.from({ length: 200 }, (_, i) => `h${i + 2}:1`);
    await joiner.untilJoined([], signal, remembered);
    assert.ok(hosts.length <= 32, String(hosts.length));
    assert.ok(new Set(hosts).size > 16);
  });

  test("who is joined already is not met again, and failures are no news", async () => {
    const { joiner, hosts } = joining((host) => (host === 3 ? Promise.resolve() : refused()));
    const known = [{ ip: ipOf("h2"), port: 1 }];
    await joiner.meet(["h1-h2-h3-h4:1", "unknown:1"], known);
    assert.deepEqual(hosts.sort(), [3, 4]);
  });
});

test("a snapshot with something else than addresses is none", () => {
  const snapshotOf = (address: unknown): string =>
    JSON.stringify({
      ...{ format: 1, name: "x", member_time: 1, event_time: 1, query_time: 1 },
      addresses: ["h:1", address],
    });
  for (const address of ["[::1]:7", "10.0.0.1:65535", "name"]) {
    assert.deepEqual(readSnapshot(snapshotOf(address), "x")?.addresses, ["h:1", address]);
  }
  for (const address of ["", "h:0", "h:x", "a b", 5, "h:70000"]) {
    assert.equal(readSnapshot(snapshotOf(address), "x"), undefined, String(address));
  }
});
