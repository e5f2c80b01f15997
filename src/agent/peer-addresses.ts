import type { ConfigurationMember } from "../base/index.ts";
import { replicaOf } from "../membership/index.ts";
import type { PeerDescription } from "../replica/index.ts";
import type { PeerAddress } from "../transport/index.ts";
import type { MembersSeen } from "./ports.ts";
import { parseAddress } from "./values.ts";

/** Tags by which a server tells the others of itself. */
export const TAG = {
  role: "role",
  replicaId: "replica_id",
  rpcAddress: "rpc_addr",
  httpAddress: "http_addr",
  externalAddress: "external_addr",
  /** `--bootstrap-expect`, for people to see: who makes a cluster asks. */
  expect: "expect",
  /** `relaxed`, or absent. */
  fsync: "fsync",
} as const;

/** Of `TAG.role`: takes part in Raft, or would like to. */
export const REPLICA_ROLE = "replica";

const NAMED = { role: TAG.role, isRole: REPLICA_ROLE, replicaId: TAG.replicaId };

/** The other servers that gossip calls alive. */
export function replicasSeen(membership: MembersSeen): readonly ConfigurationMember[] {
  return membership
    .members()
    .filter(({ status, name }) => status === "alive" && name !== membership.name)
    .map((member) => replicaOf(member, NAMED))
    .filter((replica) => replica !== undefined);
}

/**
 * Where the other servers are now. Who takes part is written down by name; addresses come and go with
 * machines, so that they are never stored: gossip tells them, and where it does not, DNS does.
 */
export class PeerAddresses {
  #membership: MembersSeen | undefined;
  #ownName = "";
  #ownAddress = "";

  /** From now on gossip is asked, and our own name and address say how others are called. */
  begin(membership: MembersSeen, ownAddress: string): void {
    this.#membership = membership;
    this.#ownName = membership.name;
    this.#ownAddress = ownAddress;
  }

  /** To be dialled; a host's name is looked up then. Throws when nobody knows. */
  addressOf(member: ConfigurationMember): PeerAddress {
    const told = parseAddress(this.#tagsOf(member.name)?.[TAG.rpcAddress] ?? "");
    const address = told ?? this.#guess(member.name);
    if (address === undefined) throw new Error(`nobody knows where ${member.name} is`);
    return address;
  }

  /** What gossip tells of a server. */
  describe = ({ name }: ConfigurationMember): PeerDescription | undefined => {
    const tags = this.#tagsOf(name);
    if (tags === undefined) return undefined;
    return {
      rpcAddress: tags[TAG.rpcAddress] ?? "",
      httpAddress: tags[TAG.httpAddress] ?? "",
      fsyncRelaxed: tags[TAG.fsync] === "relaxed",
    };
  };

  #tagsOf(name: string): Readonly<Record<string, string>> | undefined {
    return this.#membership?.members().find((member) => member.name === name)?.tags;
  }

  /** Servers whose host names begin with their own names differ in nothing else, as in a StatefulSet. */
  #guess(name: string): PeerAddress | undefined {
    const own = parseAddress(this.#ownAddress);
    if (own === undefined) return undefined;
    const isNamed = own.host === this.#ownName || own.host.startsWith(`${this.#ownName}.`);
    if (!isNamed) return undefined;
    return { host: `${name}${own.host.slice(this.#ownName.length)}`, port: own.port };
  }
}
