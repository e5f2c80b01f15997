import type {
  CountName,
  GossipEvent,
  OutgoingPacket,
  OutgoingStream,
  Ready,
  StreamReply,
} from "./ready.ts";

/** Collects what becomes the next `Ready`. */
export class Outbox {
  #packets: OutgoingPacket[] = [];
  #streams: OutgoingStream[] = [];
  #replies: StreamReply[] = [];
  #events: GossipEvent[] = [];
  #counts: Partial<Record<CountName, number>> = {};

  packet(packet: OutgoingPacket): void {
    this.#packets.push(packet);
  }

  stream(stream: OutgoingStream): void {
    this.#streams.push(stream);
  }

  reply(reply: StreamReply): void {
    this.#replies.push(reply);
  }

  event(event: GossipEvent): void {
    this.#events.push(event);
  }

  count(name: CountName): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  take(): Ready {
    const ready: Ready = {
      packets: this.#packets,
      streams: this.#streams,
      replies: this.#replies,
      events: this.#events,
      counts: this.#counts,
    };
    this.#packets = [];
    this.#streams = [];
    this.#replies = [];
    this.#events = [];
    this.#counts = {};
    return ready;
  }
}
