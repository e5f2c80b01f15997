/**
 * Attacks on the port by those who do not keep to any protocol, one kind at a time, with a client of
 * good manners beside them: the server lives, the client's calls are answered, the attacker is cut.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectPlain } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { connect } from "../../src/client/index.ts";
import { BOOK_POLICY, credentials, writeServerFiles } from "../support/credentials.ts";
import {
  callHeaders,
  END_HEADERS,
  FRAME,
  frame,
  headerBlock,
  number32,
  PADDED,
  PREFACE,
} from "../support/http2-frames.ts";
import { makeFolder } from "../support/program.ts";
import { AgentProcess } from "./support/agent.ts";

const PRODUCE = "/log.v1.Log/Produce";
/** Enough for every bound that there is, and for a machine that has other things to do. */
const CUT_MS_MAX = 30_000;

interface Attack {
  readonly name: string;
  readonly connections: number;
  readonly layer: "tcp" | "h2" | "http/1.1";
  /** What is written again and again, if anything. */
  readonly next?: () => Buffer;
  readonly everyMs?: number;
}

function repeated(bytes: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes));
}

/** One after the other: each needs an id of its own. */
function resets(): () => Buffer {
  let id = -1;
  return () => {
    id += 2;
    const headers = frame(FRAME.headers, END_HEADERS, id, callHeaders(PRODUCE));
    return Buffer.concat([headers, frame(FRAME.reset, 0, id, number32(8))]);
  };
}

/** The first time one thing, then another. */
function first(once: Buffer, then: Buffer): () => Buffer {
  let sent = false;
  return () => {
    const bytes = sent ? then : once;
    sent = true;
    return bytes;
  };
}

const open = frame(FRAME.headers, END_HEADERS, 1, callHeaders("/log.v1.Log/ProduceStream"));
const unfinished = frame(FRAME.headers, 0, 1, callHeaders(PRODUCE));
const ATTACKS: readonly Attack[] = [
  { name: "silent connections", connections: 500, layer: "tcp" },
  {
    name: "noise in place of TLS",
    connections: 20,
    layer: "tcp",
    next: () => Buffer.alloc(64, 7),
    everyMs: 50,
  },
  {
    name: "a handshake byte by byte",
    connections: 20,
    layer: "tcp",
    next: () => Buffer.from([0x16]),
    everyMs: 500,
  },
  {
    name: "slow headers",
    connections: 100,
    layer: "http/1.1",
    next: first(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\nX: "), Buffer.from("x")),
    everyMs: 1_000,
  },
  {
    name: "oversized headers",
    connections: 5,
    layer: "http/1.1",
    next: first(Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\nX: "), Buffer.alloc(65_536, 120)),
  },
  {
    name: "rapid reset",
    connections: 5,
    layer: "h2",
    next: (() => {
      const next = resets();
      return () => Buffer.concat(Array.from({ length: 50 }, next));
    })(),
  },
  {
    name: "padded empty DATA",
    connections: 3,
    layer: "h2",
    next: first(open, repeated(frame(FRAME.data, PADDED, 1, Buffer.from([0])), 5_000)),
  },
  {
    name: "CONTINUATION without an end",
    connections: 3,
    layer: "h2",
    next: first(
      unfinished,
      repeated(frame(FRAME.continuation, 0, 1, headerBlock([["x", "y".repeat(100)]])), 100),
    ),
  },
  {
    name: "a flood of SETTINGS",
    connections: 3,
    layer: "h2",
    next: () => repeated(frame(FRAME.settings, 0, 0, Buffer.alloc(0)), 1_000),
  },
  {
    name: "a flood of PING",
    connections: 3,
    layer: "h2",
    next: () => repeated(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 1_000),
  },
  {
    name: "WINDOW_UPDATE beyond its range",
    connections: 3,
    layer: "h2",
    next: () => frame(FRAME.windowUpdate, 0, 0, number32(0x7fffffff)),
  },
  {
    name: "oversized metadata",
    connections: 3,
    layer: "h2",
    next: first(
      unfinished,
      repeated(frame(FRAME.continuation, 0, 1, headerBlock([["x", "y".repeat(8_000)]])), 4),
    ),
  },
  {
    name: "garbage after the preface",
    connections: 5,
    layer: "h2",
    next: () => Buffer.alloc(4_096, 0xa5),
  },
];

async function attackerOf(layer: Attack["layer"], port: number): Promise<Socket> {
  const { authority, root } = await credentials();
  const socket =
    layer === "tcp"
      ? connectPlain(port, "127.0.0.1")
      : connectTls({
          host: "127.0.0.1",
          port,
          ca: authority.cert,
          ...root,
          ALPNProtocols: [layer],
        });
  socket.on("error", () => undefined);
  await once(socket, layer === "tcp" ? "connect" : "secureConnect");
  socket.resume();
  if (layer === "h2") {
    socket.write(PREFACE);
    socket.write(frame(FRAME.settings, 0, 0, Buffer.alloc(0)));
  }
  return socket;
}

/** Resolves with the time until the other end had enough. */
async function attackUntilCut(socket: Socket, { next, everyMs }: Attack): Promise<number> {
  const startedMs = performance.now();
  const state = { closed: socket.destroyed };
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      state.closed = true;
      resolve();
    });
    if (state.closed) resolve();
  });
  const late = sleep(CUT_MS_MAX, "late", { ref: false });
  const write = async (): Promise<void> => {
    while (!state.closed && next !== undefined) {
      const isTaken = socket.write(next());
      const room = isTaken ? sleep(everyMs ?? 1) : once(socket, "drain").catch(() => undefined);
      await Promise.race([closed, late, room]);
      if (performance.now() - startedMs > CUT_MS_MAX) return;
    }
  };
  void write();
  if ((await Promise.race([closed, late])) === "late") socket.destroy();
  return performance.now() - startedMs;
}

async function serve(t: TestContext): Promise<AgentProcess> {
  const folder = makeFolder(t);
  const files = writeServerFiles(folder, await credentials(), BOOK_POLICY);
  const flags = Object.entries(files).flatMap(([name, path]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    path,
  ]);
  return new AgentProcess({
    dataDir: join(folder, "data"),
    flags,
    // What a server has to do without in a hardened process.
    env: { NODE_OPTIONS: "--disable-proto=delete" },
  });
}

describe("attacks on the port", () => {
  test("each is cut, and a client beside it does not notice", async (t) => {
    await using agent = await serve(t);
    const address = await agent.ready;
    const port = Number(address.split(":")[1]);
    const made = await credentials();
    const tls = { ca: made.authority.cert, ...made.root };
    await using client = connect(address, {
      tls,
      retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 },
    });
    for (const attack of ATTACKS) {
      const state = { over: false, slowestMs: 0, calls: 0 };
      const wellBehaved = (async () => {
        while (!state.over) {
          const startedMs = performance.now();
          await client.produce({ value: Buffer.from("as ever") });
          state.slowestMs = Math.max(state.slowestMs, performance.now() - startedMs);
          state.calls += 1;
          await sleep(2);
        }
      })();
      const attackers = await Promise.all(
        Array.from({ length: attack.connections }, () => attackerOf(attack.layer, port)),
      );
      const times = await Promise.all(attackers.map((socket) => attackUntilCut(socket, attack)));
      state.over = true;
      await wellBehaved;
      const lastMs = Math.max(...times);
      const { calls, slowestMs } = state;
      t.diagnostic(
        `${attack.name}: ${attack.connections} cut within ${Math.round(lastMs)} ms; ` +
          `${calls} calls beside, the slowest ${Math.round(slowestMs)} ms`,
      );
      assert.ok(lastMs < CUT_MS_MAX, `${attack.name}: not cut`);
    }
    await using late = connect(address, { tls });
    await late.produce({ value: Buffer.from("and after") });
  });
});
