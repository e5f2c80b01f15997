import { formatAddress, ProglogError } from "../base/index.ts";
import { formatIp } from "./gossip-address.ts";

/** Why an address cannot be listened on; `what` wants it. */
export function bindError(
  what: string,
  ip: Uint8Array,
  port: number,
  cause: unknown,
): ProglogError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const address = formatAddress(formatIp(ip), port);
  const details = { address };
  if (code === "EADDRINUSE") {
    const sentence = `${address} is already in use (${what})`;
    return new ProglogError("ADDRESS_IN_USE", sentence, { cause, details });
  }
  const sentence = `${what} cannot have ${address}: ${message}`;
  return new ProglogError("CONFIGURATION", sentence, { cause, details });
}
