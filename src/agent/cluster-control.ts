import { CONTROL_CODECS } from "../api/index.ts";
import type {
  ClusterMember,
  ClusterStatus,
  ControlMethodName,
  ControlMethods,
  RetentionSettings,
} from "../api/index.ts";
import { limits, membersOf, ProglogError, systemClock } from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer } from "../base/index.ts";
import type { PeerDescription, Replica, ServerDescription } from "../replica/index.ts";
import type { ClusterControl } from "../server/index.ts";
import type { PeerCalls } from "../transport/index.ts";
import { changeOrTimeout, transferTo } from "./hand-over.ts";
import { replicasSeen } from "./peer-addresses.ts";
import type { MembersSeen } from "./ports.ts";

export interface AgentControlParts {
  readonly replica: Replica;
  readonly calls: PeerCalls;
  readonly clusterName: string;
  readonly describe: () => ServerDescription;
  readonly describePeer: (member: ConfigurationMember) => PeerDescription | undefined;
  /** Gossip begins after the doors are there. */
  readonly membership: () => MembersSeen | undefined;
  /** A way to a server that is no member yet. */
  readonly learn: (member: ConfigurationMember) => void;
  readonly observer: Observer;
  readonly clock?: Clock | undefined;
}

/** How often it is asked who leads, when that changes meanwhile. */
const ATTEMPTS_MAX = 3;
const UNREACHABLE: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "NOT_LEADER",
  "DEADLINE_EXCEEDED",
]);

type Asked<Name extends ControlMethodName> = ControlMethods[Name]["request"];
type Answered<Name extends ControlMethodName> = ControlMethods[Name]["response"];

/** What travels to the leader: a method's name, and its request as clients encode it. */
interface Handed {
  readonly name: ControlMethodName;
  readonly request: Buffer;
}

/**
 * What operators ask, decided by whoever leads: a server that does not hands it on, one hop, and
 * tells the answer. Whether the operator may was asked where he came in.
 */
export class AgentControl implements ClusterControl {
  readonly #parts: AgentControlParts;
  readonly #clock: Clock;

  constructor(parts: AgentControlParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    parts.calls.handle("control", async (payload, { clusterId, name }) => {
      if (clusterId === "") {
        throw new ProglogError("PERMISSION_DENIED", `${name} belongs to no cluster`);
      }
      return this.#answer(decodeHanded(payload));
    });
  }

  async ask<Name extends ControlMethodName>(
    name: Name,
    request: Asked<Name>,
  ): Promise<Answered<Name>> {
    const { replica } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      const { leader } = replica;
      try {
        if (replica.decides || leader === undefined) return await this.#decide(name, request);
        return await this.#handOn(leader, name, request);
      } catch (error) {
        const { code } = ProglogError.from(error);
        // Where the leader is gone one wants to see what is left.
        if (name === "GetStatus" && UNREACHABLE.has(code)) return this.#decide(name, request);
        // Nothing was done. Leadership moved, perhaps because of what was asked.
        if (code !== "NOT_LEADER" || attempt === ATTEMPTS_MAX)
          throw this.#explained(error, request);
      }
      const isOther = (): boolean => replica.leader?.replicaId !== leader?.replicaId;
      await changeOrTimeout(replica, () => replica.isLeading || isOther(), this.#clock);
    }
  }

  /** A server that is removed is cut off, and hears no answer. */
  #explained(error: unknown, request: object): unknown {
    const { code, message, notAppended } = ProglogError.from(error);
    const isOwn = "name" in request && request.name === this.#parts.describe().id;
    if (!isOwn || code !== "UNAVAILABLE" || notAppended) return error;
    const text = `${message}, as it does when the server that was asked is the one to go: ask another`;
    return new ProglogError(code, text, { cause: error });
  }

  async #handOn<Name extends ControlMethodName>(
    leader: ConfigurationMember,
    name: Name,
    request: Asked<Name>,
  ): Promise<Answered<Name>> {
    const { encodeRequest, decodeResponse } = CONTROL_CODECS[name];
    const payload = encodeHanded({ name, request: encodeRequest({ ...request, log: "" }) });
    const timeoutMs = limits.controlTimeoutMs;
    return decodeResponse(await this.#parts.calls.call(leader, "control", payload, { timeoutMs }));
  }

  async #answer({ name, request }: Handed): Promise<Uint8Array> {
    const { replica } = this.#parts;
    if (!replica.decides) throw replica.notLeader();
    const { decodeRequest, encodeResponse } = CONTROL_CODECS[name];
    return encodeResponse((await this.#decide(name, decodeRequest(request))) as never);
  }

  async #decide<Name extends ControlMethodName>(
    name: Name,
    request: Asked<Name>,
  ): Promise<Answered<Name>> {
    const { replica, observer } = this.#parts;
    if (name !== "GetStatus") {
      // One who was just elected decides as soon as an entry of his is committed.
      await changeOrTimeout(replica, () => replica.isLeading || !replica.decides, this.#clock);
      if (!replica.isLeading) throw replica.notLeader();
      observer.log("info", "cluster.control", { method: name, ...loggable(request) });
    }
    switch (name) {
      case "GetStatus":
        return this.#status();
      case "TransferLeadership":
        return this.#transfer(request as Asked<"TransferLeadership">);
      case "AddMember":
        return this.#add(request as Asked<"AddMember">);
      case "RemoveMember":
        return this.#remove(request as Asked<"RemoveMember">);
      case "SetRetention":
        return this.#setRetention(request as Asked<"SetRetention">);
      case "DeleteBefore":
        return this.#deleteBefore(request as Asked<"DeleteBefore">);
    }
  }

  #status(): ClusterStatus {
    const { replica, clusterName, describe } = this.#parts;
    const { term, commitIndex, lastIndex, configuration, damaged } = replica.status;
    const { clusterId, id } = describe();
    return {
      ...{ clusterName, clusterId, term, commitIndex, lastIndex, damaged },
      answeredBy: id,
      leader: replica.leader?.name ?? "",
      lowest: replica.lowestOffset,
      next: replica.highWatermark,
      retention: replica.retention,
      members: membersOf(configuration).map((member) => this.#memberOf(member)),
    };
  }

  #memberOf(member: ConfigurationMember): ClusterMember {
    const { replica, describe, describePeer } = this.#parts;
    const { name, replicaId } = member;
    const { voters, votersOutgoing } = replica.status.configuration;
    const isOwn = replicaId === replica.replicaId;
    const isVoter = [...voters, ...votersOutgoing].some((voter) => voter.replicaId === replicaId);
    const { rpcAddress = "" } = (isOwn ? describe() : describePeer(member)) ?? {};
    const other = replica.isLeading
      ? {
          matchedIndex: replica.members.matched(replicaId),
          silentMs: replica.members.silentMs(replicaId),
        }
      : { matchedIndex: undefined, silentMs: undefined };
    const own = { matchedIndex: replica.status.lastIndex, silentMs: 0 };
    return {
      ...{ name, replicaId, rpcAddress },
      role: isVoter ? "voter" : "learner",
      isLeader: replica.leader?.replicaId === replicaId,
      ...(isOwn ? own : other),
    };
  }

  async #transfer({ to }: Asked<"TransferLeadership">): Promise<Answered<"TransferLeadership">> {
    const { replica } = this.#parts;
    const target = to === "" ? undefined : this.#voter(to).replicaId;
    const leader = await transferTo(replica, target, this.#clock);
    if (leader !== undefined) return { leader: leader.name };
    const words = to === "" ? "nobody" : `${to} did not`;
    throw new ProglogError("UNAVAILABLE", `${words} take over in time: it may be behind, or away`);
  }

  /** The reconciler lets it vote once it has caught up. */
  async #add({ name }: Asked<"AddMember">): Promise<Answered<"AddMember">> {
    const { replica, membership, learn } = this.#parts;
    const member = seenBy(membership()).find((seen) => seen.name === name);
    if (member === undefined) {
      const text = `gossip knows no running server ${name}: start it with --start-join-addrs`;
      throw new ProglogError("CONFIGURATION", text);
    }
    learn(member);
    await replica.members.addLearner(member);
    return { member: this.#memberOf(member) };
  }

  /**
   * A leader does not remove itself: another one leads first and does it, so that those who stay hear
   * that it is committed.
   */
  async #remove({ name, force }: Asked<"RemoveMember">): Promise<Answered<"RemoveMember">> {
    const { replica } = this.#parts;
    const named = membersOf(replica.status.configuration).filter((member) => member.name === name);
    if (named.length === 0) throw unknownMember(name);
    for (const { replicaId } of named) {
      if (!force) this.#checkMajorityWithout(replicaId);
      if (replicaId === replica.replicaId) {
        await this.#transfer({ to: "" });
        throw replica.notLeader();
      }
      await replica.members.remove(replicaId);
    }
    return {};
  }

  /** A change that leaves a majority which is not there stops the cluster for good. */
  #checkMajorityWithout(gone: number): void {
    const { replica } = this.#parts;
    const left = replica.status.configuration.voters.filter(({ replicaId }) => replicaId !== gone);
    if (left.length === 0) {
      throw new ProglogError("CONFIGURATION", "it is the only voter: a cluster has at least one");
    }
    const isHeard = ({ replicaId }: ConfigurationMember): boolean =>
      replicaId === replica.replicaId ||
      replica.members.silentMs(replicaId) < limits.promotedSilentMs;
    const heard = left.filter(isHeard).length;
    if (heard > left.length / 2) return;
    const text = `only ${heard} of the ${left.length} voters who would be left are heard of`;
    throw new ProglogError("CONFIGURATION", `${text}: they could decide nothing (force does it)`);
  }

  async #setRetention(request: Asked<"SetRetention">): Promise<RetentionSettings> {
    const { replica } = this.#parts;
    const { retentionBytes, retentionMs } = replica.retention;
    await replica.setRetention({
      retentionBytes: request.retentionBytes ?? retentionBytes,
      retentionMs: request.retentionMs ?? retentionMs,
    });
    return replica.retention;
  }

  async #deleteBefore({ offset }: Asked<"DeleteBefore">): Promise<Answered<"DeleteBefore">> {
    const { replica } = this.#parts;
    await replica.deleteBefore(offset);
    return { lowest: replica.lowestOffset };
  }

  #voter(name: string): ConfigurationMember {
    const { voters } = this.#parts.replica.status.configuration;
    const voter = voters.find((each) => each.name === name);
    if (voter === undefined) throw unknownMember(name);
    return voter;
  }
}

function unknownMember(name: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", `no voter or learner is called ${name}`);
}

function seenBy(membership: MembersSeen | undefined): readonly ConfigurationMember[] {
  return membership === undefined ? [] : replicasSeen(membership);
}

function loggable(request: object): Record<string, string> {
  return Object.fromEntries(Object.entries(request).map(([name, value]) => [name, String(value)]));
}

/** Length of the name u8 · name · request. */
function encodeHanded({ name, request }: Handed): Uint8Array {
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name), request]);
}

function decodeHanded(payload: Uint8Array): Handed {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const end = 1 + (bytes[0] ?? 0);
  const name = bytes.toString("utf8", 1, end);
  if (!Object.hasOwn(CONTROL_CODECS, name)) {
    throw new ProglogError("UNKNOWN_METHOD", "this version does not know what is asked");
  }
  return { name: name as ControlMethodName, request: bytes.subarray(end) };
}
