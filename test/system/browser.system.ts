/** The browser entry as it is in the package, loaded by a real browser, with no bundler between. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { test } from "node:test";

import { startTestServer } from "../../src/testing/index.ts";
import { makeFolder } from "../support/program.ts";
import { commandExists, isRoot, skipUnless } from "../support/require.ts";
import { root } from "../support/root.ts";

const BROWSERS = ["chromium", "chromium-browser", "google-chrome"];
const browser = BROWSERS.find(commandExists);
const TIMEOUT_MS = 60_000;

interface PageReport {
  readonly error?: string;
  readonly [fact: string]: unknown;
}

/** Does what a page does, and posts what came of it to where it came from. */
const PAGE_SCRIPT = `
import { connect, ProglogError, textOf } from "/browser/index.js";
const report = {};
try {
  const log = connect(new URLSearchParams(location.search).get("log"));
  report.hasNode = "Buffer" in globalThis || "process" in globalThis;
  report.offset = (await log.produce({ value: "from a page ✓", key: Uint8Array.of(0, 255) })).offset;
  const read = await log.read(0);
  report.read = [textOf(read.value), [...read.key]];
  report.offsets = await log.produceAll([{ value: "1" }, { value: "2" }]);
  const followed = [];
  for await (const { value } of log.records({ from: 1, follow: true, limit: 4 })) {
    followed.push(textOf(value));
    if (followed.length === 2) await log.produceAll([{ value: "3" }, { value: "4" }]);
  }
  report.followed = followed;
  report.next = (await log.offsets()).next;
  report.leads = (await log.servers()).servers.map(({ isLeader }) => isLeader);
  const refused = await log.produce({ value: "x" }, { expectedOffset: 0 }).catch((error) => error);
  report.refused = [refused instanceof ProglogError, refused.code, refused.notAppended];
  const other = connect(new URLSearchParams(location.search).get("closed"), { attemptsMax: 1 });
  report.closed = (await other.offsets().catch((error) => error)).code;
} catch (error) {
  report.error = String(error?.stack ?? error);
}
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
`;

/** Serves the built package to the page, and hears from it. */
class Site implements AsyncDisposable {
  readonly #server: Server;
  readonly report: Promise<PageReport>;
  #reported: (report: PageReport) => void = () => undefined;

  constructor() {
    this.report = new Promise((resolve) => {
      this.#reported = resolve;
    });
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://site");
    if (pathname === "/report") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.end();
      this.#reported(JSON.parse(Buffer.concat(chunks).toString()) as PageReport);
    } else if (pathname === "/") {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><script type="module">${PAGE_SCRIPT}</script>`);
    } else {
      response.setHeader("content-type", "text/javascript");
      const file = join(root, "dist", normalize(pathname));
      response.end(await readFile(file).catch(() => ""));
    }
  }
}

function openPage(program: string, profile: string, url: string): ChildProcess {
  // Root may not be in a sandbox of Chromium's; the page is our own.
  const sandbox = isRoot() ? ["--no-sandbox"] : [];
  const flags = ["--headless", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
  const args = [...flags, ...sandbox, "--disable-dev-shm-usage", "--remote-debugging-port=0", url];
  return spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
}

test(
  "a page in Chromium appends, reads and follows",
  skipUnless(browser !== undefined, "chromium"),
  async (t) => {
    await using site = new Site();
    const origin = await site.listen();
    await using server = await startTestServer({ settings: { httpAllowOrigin: [origin] } });
    await using closed = await startTestServer();
    const query = new URLSearchParams({ log: server.httpUrl, closed: closed.httpUrl });
    const page = openPage(browser ?? "", makeFolder(t), `${origin}/?${query.toString()}`);
    let said = "";
    page.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const exited = once(page, "exit");
    const gone = exited.then(() => assert.fail(`the browser ended: ${said}`));
    const late = AbortSignal.timeout(TIMEOUT_MS);
    const overdue = new Promise<never>((_, reject) => {
      late.addEventListener("abort", () => reject(new Error(`the page said nothing: ${said}`)));
    });
    try {
      assert.deepEqual(await Promise.race([site.report, gone, overdue]), {
        hasNode: false,
        offset: 0,
        read: ["from a page ✓", [0, 255]],
        offsets: [1, 2],
        followed: ["1", "2", "3", "4"],
        next: 5,
        leads: [true],
        refused: [true, "OFFSET_MISMATCH", true],
        closed: "UNAVAILABLE",
      });
    } finally {
      gone.catch(() => undefined);
      overdue.catch(() => undefined);
      // Its helpers are of the same group.
      if (page.pid !== undefined && page.exitCode === null) process.kill(-page.pid, "SIGKILL");
      await exited;
    }
  },
);
