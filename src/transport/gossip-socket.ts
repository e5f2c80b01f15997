import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket as UdpSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { labelsBy, ProglogError, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import type {
  Address,
  Input,
  OutgoingPacket,
  OutgoingStream,
  StreamReply,
} from "../gossip/index.ts";
import { formatIp, isLoopbackIp, isMapped, parseIp } from "./gossip-address.ts";
import { bindError } from "./bind-error.ts";
import { Complaints } from "./gossip-complaints.ts";
import { GossipDialer } from "./gossip-dialer.ts";
import { GossipServer } from "./gossip-server.ts";
import { Keyring } from "./gossip-keyring.ts";
import { nameOfType } from "./gossip-message.ts";
import { decodePacket, encodePacket, packetOverhead } from "./gossip-packet.ts";

export interface GossipSocketOptions {
  /** A name or an address to listen on. */
  readonly host: string;
  /** 0: any port that is free for UDP and for TCP. */
  readonly port: number;
  /** Absent or empty: plaintext, which only loopback may have. */
  readonly keyring?: Keyring | undefined;
  readonly observer?: Observer | undefined;
  readonly clock?: Clock | undefined;
}

const KIND = labelsBy("kind");
/** How often another port is tried, when the one that UDP gave is taken for TCP. */
const FREE_PORT_ATTEMPTS = 20;

/** One port for gossip: packets over UDP, whole states over TCP. Decodes, encrypts, counts, and decides nothing. */
export class GossipSocket implements AsyncDisposable {
  readonly keyring: Keyring;
  /** Where it listens. */
  readonly address: Address;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #server: GossipServer;
  readonly #dialer: GossipDialer;
  readonly #observer: Observer;
  readonly #complaints: Complaints;
  #onInput: ((input: Input) => void) | undefined;
  #closed = false;

  /**
   * Binds both. Throws `ADDRESS_IN_USE`, and `CONFIGURATION` when the address cannot be had, or is
   * not loopback and there is no key.
   */
  static async open(options: GossipSocketOptions): Promise<GossipSocket> {
    const keyring = options.keyring ?? new Keyring([]);
    const ip = await addressOfHost(options.host);
    if (keyring.isEmpty && !isLoopbackIp(ip)) {
      const sentence = `gossip on ${options.host} without a key: beyond loopback a key is needed`;
      throw new ProglogError("CONFIGURATION", sentence);
    }
    const { udp, tcp } = await bindBoth(ip, options.port);
    return new GossipSocket(udp, tcp, ip, keyring, options);
  }

  private constructor(
    udp: UdpSocket,
    tcp: Server,
    ip: Uint8Array,
    keyring: Keyring,
    options: GossipSocketOptions,
  ) {
    const clock = options.clock ?? systemClock;
    this.keyring = keyring;
    this.#udp = udp;
    this.#tcp = tcp;
    this.address = { ip, port: udp.address().port };
    this.#observer = options.observer ?? silentObserver;
    this.#complaints = new Complaints(this.#observer, clock);
    const parts = { keyring, clock, observer: this.#observer, complaints: this.#complaints };
    const onInput = (input: Input): void => this.#onInput?.(input);
    this.#server = new GossipServer({ ...parts, onInput });
    this.#dialer = new GossipDialer({ ...parts, onInput });
    this.#complaints.expect(["undecryptable", "message", "stream"]);
    for (const kind of ["ping", "ack"]) {
      this.#observer.count("gossip_messages_received_total", 0, KIND(kind));
      this.#observer.count("gossip_messages_sent_total", 0, KIND(kind));
    }
    udp.on("message", (packet, from) => this.#receive(packet, from));
    udp.on("error", (error) =>
      this.#complaints.add("gossip.socket-failed", "socket", error.message),
    );
    tcp.on("connection", (socket) => this.#server.accept(socket));
    tcp.on("error", (error) =>
      this.#complaints.add("gossip.socket-failed", "socket", error.message),
    );
  }

  /** Bytes of a packet that are no messages. */
  get packetOverheadBytes(): number {
    return packetOverhead(this.keyring);
  }

  /** From now on what comes in is told; before, it is dropped. */
  start(onInput: (input: Input) => void): void {
    this.#onInput = onInput;
  }

  /** Best effort, as UDP is. */
  send(packet: OutgoingPacket): void {
    if (this.#closed) return;
    const host = this.#hostOf(packet.to.ip);
    if (host === undefined || packet.to.port === 0) {
      this.#observer.count("gossip_unsendable_total");
      return;
    }
    const bytes = encodePacket(packet, this.keyring);
    for (const part of packet.parts) {
      this.#observer.count("gossip_messages_sent_total", 1, KIND(nameOfType(part[0])));
    }
    this.#observer.count("gossip_packets_sent_total");
    this.#observer.count("gossip_sent_bytes_total", bytes.length);
    this.#udp.send(bytes, packet.to.port, host, (error) => {
      if (error !== null) this.#observer.count("gossip_unsendable_total");
    });
  }

  /** Sends one message over TCP; its reply or its failure comes as an input, exactly once. */
  open(stream: OutgoingStream): void {
    this.#dialer.open(stream);
  }

  /** Answers a stream that somebody opened. */
  reply(reply: StreamReply): void {
    this.#server.reply(reply);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#onInput = undefined;
    this.#dialer.close();
    this.#server.close();
    const closed = [once(this.#udp, "close"), once(this.#tcp, "close")];
    this.#udp.close();
    this.#tcp.close();
    await Promise.all(closed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    this.#observer.count("gossip_packets_received_total");
    this.#observer.count("gossip_received_bytes_total", packet.length);
    const { messages, refused } = decodePacket(packet, this.keyring);
    for (const reason of refused)
      this.#complaints.add("gossip.packet-dropped", reason, from.address);
    for (const { kind } of messages) {
      this.#observer.count("gossip_messages_received_total", 1, KIND(kind));
    }
    const ip = parseIp(from.address);
    if (ip === undefined || messages.length === 0) return;
    this.#onInput?.({ kind: "packet", from: { ip, port: from.port }, messages });
  }

  /** How this socket names an address; undefined when its family cannot reach it. */
  #hostOf(ip: Uint8Array): string | undefined {
    const isFour = ip.length === 4 || isMapped(ip);
    if (this.address.ip.length === 4) return isFour ? formatIp(ip) : undefined;
    return isFour ? `::ffff:${formatIp(ip)}` : formatIp(ip);
  }
}

/** The bytes of an address, or of the first address of a name. Throws `CONFIGURATION`. */
async function addressOfHost(host: string): Promise<Uint8Array> {
  const ip = parseIp(host);
  if (ip !== undefined) return ip;
  try {
    const { address } = await lookup(host);
    const found = parseIp(address);
    if (found !== undefined) return found;
    throw new Error(`it resolved to ${address}`);
  } catch (cause) {
    throw new ProglogError("CONFIGURATION", `${host} cannot be resolved`, { cause });
  }
}

interface Bound {
  readonly udp: UdpSocket;
  readonly tcp: Server;
}

async function bindBoth(ip: Uint8Array, port: number): Promise<Bound> {
  for (let attempt = 1; ; attempt++) {
    const tcp = await listen(ip, port);
    try {
      const udp = await bindUdp(ip, (tcp.address() as AddressInfo).port);
      return { udp, tcp };
    } catch (error) {
      tcp.close();
      const isTaken = ProglogError.from(error).code === "ADDRESS_IN_USE";
      if (port !== 0 || !isTaken || attempt >= FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

async function bindUdp(ip: Uint8Array, port: number): Promise<UdpSocket> {
  const udp = createSocket({ type: ip.length === 4 ? "udp4" : "udp6", recvBufferSize: 2 ** 20 });
  udp.bind({ address: formatIp(ip), port, exclusive: true });
  try {
    await once(udp, "listening");
    return udp;
  } catch (cause) {
    udp.close();
    throw bindError("gossip", ip, port, cause);
  }
}

async function listen(ip: Uint8Array, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true });
  server.listen({ host: formatIp(ip), port, exclusive: true });
  try {
    await once(server, "listening");
    return server;
  } catch (cause) {
    throw bindError("gossip", ip, port, cause);
  }
}
