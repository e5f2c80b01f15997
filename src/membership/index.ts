/**
 * # membership: who is there, kept true
 *
 * Drives the core of `gossip/`: lets time pass for it, carries its packets and streams, and tells what
 * it decided as events. Keeps joining until it has joined, remembers members for the next start, and
 * changes the keyring when the cluster says so. Nothing is decided here about who is alive.
 *
 * ```ts
 * await using membership = Membership.start({ name, address, tags, wire, keys, codec });
 * void membership.join(["seed.example.org:8401"]);
 * for await (const event of membership.events()) if (event.kind === "join") console.log(event.member.name);
 * ```
 *
 * Invariants: every turn of the loop that gave the core something takes its `ready()` to the end;
 * whoever follows events slowly loses the oldest and is told how many, and nobody waits for him;
 * a process that was stopped for a while reads its sockets before it lets time pass, and does not
 * catch up, so that nobody is suspected for our own silence; the snapshot is a help and never a
 * truth: without it a start needs a seed, and nothing else is lost.
 *
 * What follows from members for a replicated log is decided in `reconcile.ts`, for whoever leads it.
 *
 * Left out on purpose: bytes and sockets, which are `transport/`'s, and carrying out what is
 * decided about a member, which is for those who follow the events.
 */
export { type AnswerTo, KeyQueries, type KeyReport } from "./key-queries.ts";
export { Membership, type MembershipOptions, type QueryAnswer } from "./membership.ts";
export type { MembershipEvent } from "./membership-event.ts";
export type { Addresses, GossipKeys, GossipWire } from "./ports.ts";
export { candidates, nextStep, type ReconcileStep, replicaOf } from "./reconcile.ts";
export { fileSnapshot, readSnapshot, type Snapshot, type SnapshotStore } from "./snapshot.ts";
