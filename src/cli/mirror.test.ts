import assert from "node:assert/strict";
import { test } from "node:test";
import { beginCli, runCli, startServer } from "../../test/support/server.ts";
import { connect } from "../client/index.ts";

async function valuesAt(address: string): Promise<string[]> {
  await using client = connect(address);
  const values: string[] = [];
  for await (const { value } of client.records()) values.push(Buffer.from(value ?? []).toString());
  return values;
}

test("a mirror is the same, goes on where it was, and follows", async (t) => {
  const [from, to] = [await startServer(t), await startServer(t)];
  const args = ["mirror", "--from", from.rpcAddress, "--to", to.rpcAddress];
  const append = (value: string) => from.commitLog.append({ value: Buffer.from(value) }, {});
  for (const value of ["a", "b", "c"]) await append(value);
  const first = await runCli([...args, "--until-end", "--json"]);
  assert.deepEqual(first, { code: 0, stdout: '{"from":0,"next":3}\n', stderr: "" });
  assert.deepEqual(await valuesAt(to.rpcAddress), ["a", "b", "c"]);
  const nothing = await runCli([...args, "--until-end", "--json"]);
  assert.equal(nothing.stdout, '{"from":3,"next":3}\n');

  const run = beginCli(args);
  await run.says(/mirroring from offset 3/);
  const arrived = new Promise<void>((resolve) => {
    to.commitLog.onCommit(() => {
      if (to.commitLog.highWatermark === 5) resolve();
    });
  });
  await append("d");
  await append("e");
  await arrived;
  run.signal("SIGINT");
  const { code, stderr } = await run.ended;
  assert.equal(code, 0);
  assert.match(stderr, /mirrored 2 records, up to offset 5/);
  assert.deepEqual(await valuesAt(to.rpcAddress), ["a", "b", "c", "d", "e"]);
});

test("a log that lost its beginning is mirrored with a shift, the same at each start", async (t) => {
  const [from, to] = [await startServer(t), await startServer(t)];
  const args = ["mirror", "--from", from.rpcAddress, "--to", to.rpcAddress, "--until-end"];
  // The other way round: a mirror that has more than the log is none.
  await to.commitLog.append({ value: Buffer.from("mine") }, {});
  const longer = await runCli(args);
  assert.equal(longer.code, 1);
  assert.match(longer.stderr, /it is no mirror of it/);
  for (const value of ["a", "b", "c"]) {
    await from.commitLog.append({ value: Buffer.from(value) }, {});
  }
  const shifted = await runCli([...args, "--shift", "1"]);
  assert.equal(shifted.code, 0, shifted.stderr);
  assert.deepEqual(await valuesAt(to.rpcAddress), ["mine", "c"]);
});

test("somebody else who appends to the mirror is noticed", { timeout: 30_000 }, async (t) => {
  const [from, to] = [await startServer(t), await startServer(t)];
  const run = beginCli(["mirror", "--from", from.rpcAddress, "--to", to.rpcAddress]);
  await run.says(/mirroring from offset 0/);
  await to.commitLog.append({ value: Buffer.from("foreign") }, {});
  const append = (value: string) => from.commitLog.append({ value: Buffer.from(value) }, {});
  await append("a");
  // The record after the first acknowledgement is not sent any more.
  const again = setInterval(() => void append("b"), 50);
  const { code, stderr } = await run.ended;
  clearInterval(again);
  assert.equal(code, 1);
  assert.match(stderr, /offset 0 became 1 in the mirror: somebody else appends to it/);
});
