import type { TestContext } from "node:test";
import { PROFILES } from "../../src/gossip/index.ts";
import type { Member } from "../../src/gossip/index.ts";
import { Membership } from "../../src/membership/index.ts";
import type { MembershipOptions } from "../../src/membership/index.ts";
import type { Observer } from "../../src/base/index.ts";
import {
  formatIp,
  GossipSocket,
  Keyring,
  resolveHost,
  serfCodec,
} from "../../src/transport/index.ts";

export interface MemberSettings extends Partial<
  Pick<MembershipOptions, "tags" | "profile" | "snapshot" | "onConflictLost">
> {
  readonly port?: number;
  readonly host?: string;
  readonly keys?: readonly Uint8Array[];
  readonly observer?: Observer;
  /** How names become addresses; default: as the system does it. */
  readonly resolve?: (host: string) => Promise<readonly Uint8Array[]>;
}

/** A member on loopback, on a free port unless it is told one, and its address. */
export interface RunningMember {
  readonly membership: Membership;
  readonly address: string;
  readonly port: number;
}

export async function startMember(
  t: TestContext,
  name: string,
  settings: MemberSettings = {},
): Promise<RunningMember> {
  const { port = 0, host = "127.0.0.1", keys = [], observer, ...others } = settings;
  const { resolve = resolveHost, ...rest } = others;
  const keyring = new Keyring(keys);
  const wire = await GossipSocket.open({ host, port, keyring, observer });
  const membership = await Membership.start({
    name,
    address: wire.address,
    tags: { role: "test" },
    profile: PROFILES.local,
    wire,
    keys: keyring,
    codec: serfCodec,
    addresses: { resolve, format: formatIp },
    observer,
    ...rest,
  });
  t.after(() => membership.close());
  const at = wire.address.port;
  const address = host.includes(":") ? `[${host}]:${at}` : `${host}:${at}`;
  return { membership, address, port: at };
}

export function statuses(membership: Membership): Record<string, Member["status"]> {
  return Object.fromEntries(membership.members().map(({ name, status }) => [name, status]));
}

/** Resolves when it is so, asked again after each event; rejects after so long with what was. */
export async function until(
  membership: Membership,
  isSo: () => boolean,
  ms = 60_000,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const end = (error?: Error): void => {
      clearTimeout(timer);
      unsubscribe();
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = (): void => {
      if (isSo()) end();
    };
    const timer = setTimeout(() => {
      const was = JSON.stringify(statuses(membership));
      end(new Error(`it did not come to be in ${ms} ms: ${was}`));
    }, ms);
    const unsubscribe = membership.subscribe(() => queueMicrotask(look));
    look();
  });
}
