import { limits } from "../base/index.ts";
import { BroadcastQueue, transmitsMax } from "./broadcasts.ts";
import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import type { Address, PacketMessage, SerfMessage } from "./message.ts";

/** A compound's type and count, and the length before each part. */
const COMPOUND_BYTES = 2;
const PART_BYTES = 2;

export type QueueName = "members" | "intents" | "queries" | "events";
/** In this order they are given room in a packet: who is there, who leaves, and the rest. */
const QUEUE_NAMES: readonly QueueName[] = ["members", "intents", "queries", "events"];

/** Fills packets: one message to somebody, and with it as much news as fits. */
export class Sender {
  packetOverheadBytes: number;
  /** What everybody who asks us is told: that we have left. */
  farewell: readonly PacketMessage[] = [];
  readonly queues: Readonly<Record<QueueName, BroadcastQueue>> = {
    members: new BroadcastQueue(),
    intents: new BroadcastQueue(),
    queries: new BroadcastQueue(),
    events: new BroadcastQueue(),
  };
  readonly #context: Context;

  constructor(context: Context, packetOverheadBytes: number) {
    this.#context = context;
    this.packetOverheadBytes = packetOverheadBytes;
  }

  /** Bytes for parts, each with its length, in one packet. */
  get partsBytesMax(): number {
    return limits.gossipPacketBytes - COMPOUND_BYTES - this.packetOverheadBytes;
  }

  /** Sends a message, and news with it. */
  send(to: Address, name: string, message: PacketMessage): void {
    const first = this.#context.codec.encodePacket(message);
    this.sendParts(to, name, [first, ...this.#news(first.length + PART_BYTES)]);
  }

  /** Sends exactly these parts. */
  sendParts(to: Address, name: string, parts: readonly Uint8Array[]): void {
    if (parts.length === 0) return;
    const versions = this.#context.members.get(name)?.versions;
    this.#context.outbox.packet({ to, name, versions, parts });
  }

  /** A message of Serf for one receiver; news do not ride with it. */
  sendSerf(to: Address, name: string, message: SerfMessage): void {
    this.sendParts(to, name, [this.#context.codec.encodePacket({ kind: "user", message })]);
  }

  /** Tells everybody about a member; older news of it are dropped. */
  broadcastMember(message: PacketMessage, subject: string, onFinished?: () => void): void {
    const bytes = this.#context.codec.encodePacket(message);
    this.#add("members", {
      bytes,
      subject,
      ...(onFinished === undefined ? {} : { onFinished }),
    });
  }

  /** Whether news of a member are still on their way. */
  isTelling(subject: string): boolean {
    return this.queues.members.has(subject);
  }

  /** Tells everybody something of Serf's. False: it does not fit into a packet. */
  broadcastSerf(
    queue: Exclude<QueueName, "members">,
    message: SerfMessage,
    onFinished?: () => void,
  ): boolean {
    const bytes = this.#context.codec.encodePacket({ kind: "user", message });
    if (bytes.length + PART_BYTES > this.partsBytesMax) return false;
    this.#add(queue, {
      bytes,
      ...(onFinished === undefined ? {} : { onFinished }),
    });
    return true;
  }

  /** One round: a few members are told what is new. */
  gossip(): void {
    const { profile, members } = this.#context;
    if (QUEUE_NAMES.every((name) => this.queues[name].length === 0)) return;
    const receivers = members.deal(profile.gossipFanout, (member) => this.#hears(member));
    for (const { address, name } of receivers) this.sendParts(address, name, this.#news(0));
  }

  /** The dead hear for a while what is said of them; those who left need not. */
  #hears(member: SwimMember): boolean {
    if (member.name === this.#context.name) return false;
    switch (member.state) {
      case "alive":
      case "suspect":
        return true;
      case "dead": {
        const deadMs = this.#context.ms(this.#context.now - member.stateTick);
        return deadMs <= this.#context.profile.gossipToDeadMs;
      }
      case "left":
        return false;
    }
  }

  #news(takenBytes: number): Uint8Array[] {
    const { profile, members } = this.#context;
    const limit = transmitsMax(profile.retransmitMultiplier, members.size);
    const parts: Uint8Array[] = [];
    let left = this.partsBytesMax - takenBytes;
    for (const name of QUEUE_NAMES) {
      const more = this.queues[name].take(left, PART_BYTES, limit);
      for (const part of more) left -= part.length + PART_BYTES;
      parts.push(...more);
    }
    // A compound counts its parts in a byte; what is beyond was taken, and is taken again elsewhere.
    return parts.slice(0, 254);
  }

  #add(name: QueueName, broadcast: Parameters<BroadcastQueue["add"]>[0]): void {
    const lengthMax = Math.max(limits.gossipQueueMax, 2 * this.#context.members.size);
    if (!this.queues[name].add(broadcast, lengthMax)) this.#context.outbox.count("queue_limit");
  }
}
