import type { Socket } from "node:net";
import { ProglogError } from "../base/index.ts";
import type { ConfigurationMember, Observer } from "../base/index.ts";
import { logWire } from "../log/index.ts";
import type { DataDirectory, Entry } from "../log/index.ts";
import type { Peers, Replica } from "../replica/index.ts";
import { PeerLinks, PeerListener } from "../transport/index.ts";
import type {
  Call,
  Hello,
  HelloAnswer,
  PeerIdentity,
  PeerMessage,
  PeerRole,
  Protocol,
  Reply,
} from "../transport/index.ts";
import type { PeerAddresses } from "./peer-addresses.ts";
import { peerDial } from "./peer-dial.ts";
import type { Security } from "./security.ts";

/** The feature level up to which this build knows all types of entries. */
const FEATURE_LEVEL_MAX = 0;

export interface LinksOptions {
  readonly directory: DataDirectory;
  readonly log: string;
  readonly security: Security;
  readonly addresses: PeerAddresses;
  readonly observer: Observer;
  /** The disk failed, or a peer says what this build does not know. */
  readonly onFailure: (error: ProglogError) => void;
}

/** What others hear from us, and we from them, besides entries. */
export interface LinksHandler {
  /** Somebody was asked who he is: he lets us in, or says why not. */
  answered(member: ConfigurationMember, answer: HelloAnswer): void;
  /** A question, or an answer to one of ours. */
  called(message: Call | Reply, hello: Hello): void;
  /** This server belongs to a cluster from now on. */
  joined(): void;
}

/**
 * This server's links to the others, both directions: who is let in, and what becomes of what they say.
 *
 * A server that belongs to no cluster comes into one by the first word of its leader: that the leader
 * speaks to it means that an entry which names it is committed. The cluster's id is durable before that
 * word is taken in.
 */
export class Links implements AsyncDisposable {
  readonly #options: LinksOptions;
  readonly #directory: DataDirectory;
  readonly #links: PeerLinks<Entry>;
  readonly #listener: PeerListener<Entry>;
  #replica: Replica | undefined;
  #handler: LinksHandler | undefined;
  #joining: Promise<void> | undefined;
  /** Whether a leader's word is enough to come into its cluster. */
  mayJoin: () => boolean = () => true;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#directory = options.directory;
    const { log, observer, addresses, security } = options;
    const identity = (): PeerIdentity => this.#identity();
    const shared = { identity, log, wire: logWire, observer };
    this.#links = new PeerLinks<Entry>({
      ...shared,
      resolve: (member) => addresses.addressOf(member),
      dial: peerDial(security),
      onUnreachable: ({ replicaId }) => this.#replica?.unreachable(replicaId),
      onAnswer: (member, answer) => this.#handler?.answered(member, answer),
    });
    this.#listener = new PeerListener<Entry>({
      ...shared,
      identify: (socket) => this.#identify(socket),
      onHello: (hello) => this.#learn(hello),
      handle: (message, hello) => this.#take(message, hello),
      onFailure: (hello, error) => this.#notUnderstood(hello, error),
    });
  }

  /** For the port. */
  get protocol(): Protocol {
    return this.#listener.protocol;
  }

  /** For the replica, which says who takes part. */
  get peers(): Peers {
    return this.#links;
  }

  /** For those who ask questions. */
  get links(): PeerLinks<Entry> {
    return this.#links;
  }

  /** From now on what comes in is heard. */
  begin(replica: Replica, handler: LinksHandler): void {
    this.#replica = replica;
    this.#handler = handler;
  }

  /** Durably, and before anything of that cluster is taken in. */
  join(clusterId: string): Promise<void> {
    this.#joining ??= this.#join(clusterId);
    return this.#joining;
  }

  async close(): Promise<void> {
    await Promise.all([this.#links.close(), this.#listener.close()]);
    await this.#joining?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #identity(): PeerIdentity {
    const { clusterName, clusterId, name, replicaId } = this.#directory.meta;
    const damaged = this.#replica?.status.damaged ?? false;
    const featureLevelMax = FEATURE_LEVEL_MAX;
    return { clusterName, clusterId, name, replicaId, featureLevelMax, damaged };
  }

  #identify(socket: Socket): PeerRole {
    const { security } = this.#options;
    if (security.context === undefined) return { kind: "anyPeer" };
    const name = security.peerOf(socket);
    if (name !== undefined) return { kind: "peer", name };
    return { kind: "refused", reason: "its certificate is no server's of this cluster" };
  }

  /** Whoever speaks to us is to hear our answers. */
  #learn({ from: { name, replicaId } }: Hello): void {
    this.#links.learn({ name, replicaId });
  }

  #take(message: PeerMessage<Entry>, hello: Hello): void | Promise<void> {
    if (message.kind === "call" || message.kind === "reply") {
      this.#handler?.called(message, hello);
      return;
    }
    if (this.#directory.meta.clusterId !== "") {
      this.#replica?.receive(message);
      return;
    }
    if (!isFromLeader(message) || !this.mayJoin()) return;
    return this.join(hello.from.clusterId).then(
      () => {
        this.#learn(hello);
        this.#replica?.receive(message);
      },
      (error: unknown) => this.#options.onFailure(ProglogError.from(error, "STORAGE_FAILED")),
    );
  }

  async #join(clusterId: string): Promise<void> {
    await this.#directory.joinCluster(clusterId);
    // They were dialled by a server without a cluster, to which nothing about a log is said.
    this.#links.forget();
    this.#options.observer.log("info", "cluster_joined", { cluster_id: clusterId });
    this.#handler?.joined();
  }

  /** A type of entry that the leader knows and we do not may not be skipped. */
  #notUnderstood(hello: Hello | undefined, error: ProglogError): void {
    if (error.code !== "UNSUPPORTED_FORMAT" || hello === undefined) return;
    if (this.#replica?.status.leader === hello.from.replicaId) this.#options.onFailure(error);
  }
}

function isFromLeader(message: PeerMessage<Entry>): boolean {
  if (message.kind !== "raft") return false;
  const { kind } = message.message;
  return kind === "appendEntries" || kind === "heartbeat" || kind === "installSnapshot";
}
