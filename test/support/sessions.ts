import assert from "node:assert/strict";

import { commandExists, skipUnless } from "./require.ts";
import { runProgram } from "./program.ts";

/** For tests that speak as the book does. */
export const needsCurl: { skip?: string } = skipUnless(commandExists("curl"), "the program curl");

/** What `curl` prints: the body, and the status on a line of its own. */
export function curl(
  method: string,
  address: string,
  data: string,
): { status: number; body: string } {
  const args = ["-s", "-X", method, address, "-d", data, "-w", "\n%{http_code}"];
  const output = runProgram("curl", args);
  const at = output.lastIndexOf("\n");
  return { status: Number(output.slice(at + 1)), body: output.slice(0, at).trimEnd() };
}

const FIRST = ["TGV0J3MgR28gIzEK", "TGV0J3MgR28gIzIK", "TGV0J3MgR28gIzMK"];

/** The book's first session: three records in, the first one out, nothing at offset 3. */
export function firstSession(address: string): void {
  for (const [offset, value] of FIRST.entries()) {
    const { body } = curl("POST", address, `{"record":{"value":"${value}"}}`);
    assert.deepEqual(JSON.parse(body), { offset });
  }
  firstSessionIsThere(address);
}

/** What must still be there after whatever has happened to the server since. */
export function firstSessionIsThere(address: string): void {
  for (const [offset, value] of FIRST.entries()) {
    const { body } = curl("GET", address, `{"offset":${offset}}`);
    assert.deepEqual(JSON.parse(body), { record: { value, offset } });
  }
  assert.equal(curl("GET", address, '{"offset":3}').status, 404);
}

/** The session of its sibling: unpadded base64 in, padded out. */
export function secondSession(address: string): void {
  for (const [offset, value] of ["AA", "BB", "CC"].entries()) {
    const { body } = curl("POST", address, `{"record":{"value":"${value}"}}`);
    assert.deepEqual(JSON.parse(body), { offset });
  }
  for (const [offset, value] of ["AA==", "BA==", "CA=="].entries()) {
    const { body } = curl("GET", address, `{"offset":${offset}}`);
    assert.deepEqual(JSON.parse(body), { record: { value, offset } });
  }
}
