import { statSync } from "node:fs";
import { parseAddress, recoverDataLog } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import type { Context } from "./run.ts";

export interface RecoverOptions {
  readonly yes?: boolean;
}

const WARNING = [
  "This makes the server of this directory the only voter of a new cluster with its records.",
  "What the others acknowledged and this one does not have is lost, and no way leads back.",
  "First make sure that the others are stopped and never come back: empty their directories,",
  "and start them anew with --start-join-addrs. Of several directories choose the one that has most",
  "(proglog log verify tells).",
].join("\n");

/** `proglog cluster recover`: of a directory that no server has open. */
export async function recover(
  { out, json, terminal }: Context,
  directory: string,
  { yes = false }: RecoverOptions,
): Promise<undefined> {
  terminal.warn(WARNING);
  if (!isDirectory(directory) && parseAddress(directory) !== undefined) {
    const text = `${directory} is an address: recover works on the directory of a stopped server, on its machine`;
    throw new ProglogError("INVALID_ARGUMENT", text);
  }
  if (!yes) {
    throw new ProglogError("CONFIGURATION", "nothing was done: give --yes to do it");
  }
  const observer = terminal.observer("warn", json);
  const recovered = await recoverDataLog(directory, observer).catch((error: unknown) => {
    throw explained(directory, error);
  });
  if (json) {
    out.json(recovered);
    return undefined;
  }
  const { name, before, lowest, next, damagedRecords, clusterId } = recovered;
  const others = before.filter((each) => each !== name);
  out.line(`${name} is the only voter now, without ${others.join(", ") || "anyone to leave out"}`);
  out.line(
    `offsets ${lowest} to ${next}, of which ${damagedRecords} are damaged and answer DATA_LOSS`,
  );
  out.line(`the cluster's id is ${clusterId}`);
  return undefined;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A server that runs hears its vote and its log from nobody but the others. */
function explained(directory: string, error: unknown): unknown {
  const { code, message, details } = ProglogError.from(error);
  if (code !== "LOCKED") return error;
  const text = `${message}: stop it first, since recover works on the directory of a stopped server only`;
  return new ProglogError(code, text, { cause: error, details: { ...details, directory } });
}
