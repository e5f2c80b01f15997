import { lookup } from "node:dns/promises";
import { limits } from "../base/index.ts";
import { parseIp } from "./gossip-address.ts";

/** All addresses of a host, asked anew each time; the host itself when it is an address. */
export async function resolveHost(host: string): Promise<readonly Uint8Array[]> {
  const own = parseIp(host);
  if (own !== undefined) return [own];
  const found = await lookup(host, { all: true });
  return found
    .slice(0, limits.joinAddressesMax)
    .map(({ address }) => parseIp(address))
    .filter((ip) => ip !== undefined);
}
