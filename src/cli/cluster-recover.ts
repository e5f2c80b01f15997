import { recoverDataLog } from "../agent/index.ts";
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
  if (!yes) {
    throw new ProglogError("CONFIGURATION", "nothing was done: give --yes to do it");
  }
  const recovered = await recoverDataLog(directory, terminal.observer("warn", json));
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
