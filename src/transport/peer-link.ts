import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { assert, limits, silentObserver, systemClock, systemRandom } from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer, Random } from "../base/index.ts";
import { PEER_PROTOCOL } from "./peer-hello.ts";
import type { HelloAnswer, PeerIdentity } from "./peer-hello.ts";
import { PeerLane } from "./peer-lane.ts";
import { laneOf } from "./peer-message.ts";
import type { Lane, LogWire, PeerMessage } from "./peer-message.ts";
import { RaftCodec } from "./raft-codec.ts";

export interface PeerAddress {
  /** A name or an IP address; names are looked up at each dial. */
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a connection to the server called `name`, and has made sure that it is this one where
 * certificates can tell. Rejects when `signal` says so.
 */
export type PeerDial = (
  address: PeerAddress,
  options: { readonly name: string; readonly signal: AbortSignal },
) => Promise<Duplex>;

export interface PeerLinkOptions<Entry> {
  /** This server, as it is now. */
  readonly identity: () => PeerIdentity;
  /** The name of the log. */
  readonly log: string;
  readonly wire: LogWire<Entry>;
  /** Where a server is now; asked at each dial. */
  readonly resolve: (member: ConfigurationMember) => Promise<PeerAddress> | PeerAddress;
  /** Absent: plaintext. */
  readonly dial?: PeerDial | undefined;
  /** A message to this replica was lost on our side. May be called from within `send`. */
  readonly onUnreachable?: ((member: ConfigurationMember) => void) | undefined;
  /** The connection for data was open and has ended: what had left on it may be lost. */
  readonly onEnded?: ((member: ConfigurationMember) => void) | undefined;
  /** What a peer said to our hello: who it is, or why it will not have us. */
  readonly onAnswer?: ((member: ConfigurationMember, answer: HelloAnswer) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly observer?: Observer | undefined;
}

/** Our side of the two connections to one peer. Messages of one lane arrive in order, or not at all. */
export class PeerLink<Entry extends { readonly payload: Uint8Array }> implements AsyncDisposable {
  readonly member: ConfigurationMember;
  readonly #codec: RaftCodec<Entry>;
  readonly #lanes: Readonly<Record<Lane, PeerLane>>;

  /** An id of 0: any replica of this name. */
  constructor(member: ConfigurationMember, options: PeerLinkOptions<Entry>) {
    this.member = member;
    this.#codec = new RaftCodec(options.wire);
    const { identity, log, resolve, dial = dialPlain, onUnreachable, onEnded, onAnswer } = options;
    const { clock = systemClock, random = systemRandom, observer = silentObserver } = options;
    const laneTo = (lane: Lane): PeerLane =>
      new PeerLane({
        hello: () => ({
          protocolMin: PEER_PROTOCOL.min,
          protocolMax: PEER_PROTOCOL.max,
          lane,
          from: identity(),
          to: member,
          log,
        }),
        dial: async (signal) => dial(await resolve(member), { name: member.name, signal }),
        onAnswer: (answer) => onAnswer?.(member, answer),
        onUnreachable: () => onUnreachable?.(member),
        onEnded: () => {
          if (lane === "data") onEnded?.(member);
        },
        clock,
        random,
        observer,
      });
    this.#lanes = { control: laneTo("control"), data: laneTo("data") };
  }

  /** Whether both connections are there. */
  get isOpen(): boolean {
    return this.#lanes.control.isOpen && this.#lanes.data.isOpen;
  }

  /**
   * Puts a message on its way, or drops it; never waits. `onLost` is told when no byte of it has left;
   * it may be called from within.
   */
  send(message: PeerMessage<Entry>, onLost?: () => void): void {
    const frame = this.#codec.encode(message);
    assert(frame.bytes <= limits.peerFrameBytesMax, "a message fits into a frame");
    this.#lanes[laneOf(message)].send(onLost === undefined ? frame : { ...frame, onLost });
  }

  /** Dials at once where it waits to dial again: the peer is there, for it was heard. */
  wake(): void {
    this.#lanes.control.wake();
    this.#lanes.data.wake();
  }

  async close(): Promise<void> {
    await Promise.all([this.#lanes.control.close(), this.#lanes.data.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A connection without TLS. */
export function dialPlain(
  { host, port }: PeerAddress,
  { signal }: { readonly signal: AbortSignal },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, signal });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
