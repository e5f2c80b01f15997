import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { runProgram } from "./program.ts";
import { root } from "./root.ts";

/** Builds when that is needed, packs, and answers the tarball's path. */
export function pack(folder: string): string {
  const output = runProgram("npm", ["pack", "--json", "--silent", "--pack-destination", folder]);
  const [packed] = JSON.parse(output.slice(output.indexOf("["))) as [{ filename: string }];
  return join(folder, packed.filename);
}

/**
 * Puts a tarball into a folder as npm would, without a network: unpacked, its programs linked, and
 * the dependencies it declares (only those) taken from this checkout.
 */
export function installOffline(folder: string, tarball: string): void {
  const modules = join(folder, "node_modules");
  const installed = join(modules, "proglog");
  mkdirSync(installed, { recursive: true });
  runProgram("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  const text = readFileSync(join(installed, "package.json"), "utf8");
  const { bin, dependencies } = JSON.parse(text) as {
    bin: Record<string, string>;
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  mkdirSync(join(modules, ".bin"));
  for (const [name, file] of Object.entries(bin)) {
    symlinkSync(join("..", "proglog", file), join(modules, ".bin", name));
  }
}

/** A program for an installed package: uses each of its entries, plain Node without any tool. */
const USE_ENTRIES = `
import assert from "node:assert/strict";
import { connect } from "proglog";
import { startAgent } from "proglog/agent";
import { connect as connectByHttp } from "proglog/browser";
import { openLog } from "proglog/log";
import { startTestServer } from "proglog/testing";

const [address, folder] = process.argv.slice(2);
const value = new TextEncoder().encode("hello");

const log = await openLog(folder);
assert.deepEqual(await log.append([{ value }]), { baseOffset: 0 });
await log.close();

const client = connect(address);
const { offset } = await client.produce({ value });
assert.deepEqual(Buffer.from((await client.read(offset)).value), Buffer.from(value));
await client.close();

const server = await startTestServer();
assert.deepEqual(await server.client().produce({ value }).then((answer) => answer.offset), 0);
const page = connectByHttp(server.httpUrl);
assert.deepEqual(Buffer.from((await page.read(0)).value), Buffer.from(value));
await server.close();

assert.equal(typeof startAgent, "function");
console.log("used");
`;

export function useEntries(folder: string, grpcAddress: string): string {
  writeFileSync(join(folder, "use.mjs"), USE_ENTRIES);
  return runProgram(process.execPath, ["use.mjs", grpcAddress, join(folder, "embedded")], {
    cwd: folder,
  });
}
