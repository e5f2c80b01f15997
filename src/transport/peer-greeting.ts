import { PEER_PROTOCOL } from "./peer-hello.ts";
import type { Hello, PeerIdentity, Refusal } from "./peer-hello.ts";

/** A server's name: it is looked up to answer, so that not everything may stand there. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Who is at the other end of a connection, as far as it can be told before a byte is read. */
export type PeerRole =
  /** A server whose certificate names it. */
  | { readonly kind: "peer"; readonly name: string }
  /** A server whose certificate names none in particular, or a connection without certificates. */
  | { readonly kind: "anyPeer" }
  | { readonly kind: "refused"; readonly reason: string };

export interface Refused {
  readonly refusal: Refusal;
  /** A sentence for the log of the one who dialled. */
  readonly text: string;
}

/**
 * What stands against a hello. An empty cluster id passes on either side: a server without a log asks
 * about bootstrap or to be added, or is being added; see `mayOnlyCall` for what it may not do.
 */
export function checkHello(
  own: PeerIdentity & { readonly log: string },
  hello: Hello,
  role: PeerRole,
): Refused | undefined {
  const { from, to } = hello;
  if (hello.protocolMax < PEER_PROTOCOL.min || hello.protocolMin > PEER_PROTOCOL.max) {
    const spoken = `${PEER_PROTOCOL.min} to ${PEER_PROTOCOL.max}`;
    return { refusal: "protocol", text: `versions ${spoken} of the protocol are spoken here` };
  }
  if (from.clusterName !== own.clusterName) {
    return { refusal: "clusterName", text: `this is a server of the cluster ${own.clusterName}` };
  }
  if (from.clusterId !== "" && own.clusterId !== "" && from.clusterId !== own.clusterId) {
    return {
      refusal: "clusterId",
      text: `this is a server of the cluster with id ${own.clusterId}`,
    };
  }
  if (to.name !== own.name) return { refusal: "recipient", text: `this is the server ${own.name}` };
  if (to.replicaId !== 0 && to.replicaId !== own.replicaId) {
    return { refusal: "replica", text: `this is replica ${own.replicaId}` };
  }
  if (role.kind === "peer" && role.name !== from.name) {
    return { refusal: "identity", text: `the certificate is that of ${role.name}` };
  }
  if (!LABEL.test(from.name)) return { refusal: "identity", text: "a name is a DNS label" };
  if (from.replicaId === 0 || from.replicaId === own.replicaId) {
    return { refusal: "identity", text: `replica ${from.replicaId} cannot be at the other end` };
  }
  if (hello.log !== own.log)
    return { refusal: "log", text: `there is only the log ${own.log} here` };
  return undefined;
}

/** The version that both speak, of a hello that passed. */
export function chosenProtocol(hello: Hello): number {
  return Math.min(hello.protocolMax, PEER_PROTOCOL.max);
}

/** Whoever belongs to no cluster says nothing about its log: it has none. */
export function mayOnlyCall(hello: Hello): boolean {
  return hello.from.clusterId === "";
}
