import type { Input, OutgoingPacket, OutgoingStream, StreamReply } from "../gossip/index.ts";

/** The network, as membership needs it. Everything that comes in goes to one listener. */
export interface GossipWire {
  /** Bytes of a packet that are no messages. */
  readonly packetOverheadBytes: number;
  start(onInput: (input: Input) => void): void;
  send(packet: OutgoingPacket): void;
  open(stream: OutgoingStream): void;
  reply(reply: StreamReply): void;
  close(): Promise<void>;
}

/** The keyring. Keys are bytes, and base64 where people see them; the primary one stands first. */
export interface GossipKeys {
  readonly isEmpty: boolean;
  list(): readonly string[];
  /** These throw a `ProglogError` with the reason why they do nothing. */
  install(key: Uint8Array): void;
  use(key: Uint8Array): void;
  remove(key: Uint8Array): void;
}

/** Addresses as people write them ⇄ as the bytes of the wire. */
export interface Addresses {
  /** All addresses of a host, which may be one itself. Asked again for each try. Rejects when there is none. */
  resolve(host: string): Promise<readonly Uint8Array[]>;
  format(ip: Uint8Array): string;
}
