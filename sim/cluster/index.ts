/**
 * # cluster: servers out of nothing
 *
 * Everything at once. A `Host` is a machine on which a server lives several lives, assembled by the
 * agent's own code below its sockets and files. `Wires` are the connections between them, `Rumours`
 * what they hear of each other, a `Fleet` all of them under one nemesis, `FleetClients` the programs
 * that ask any of them. `runCluster` is one run: a storm in which they make their cluster, calm in which
 * all must come to vote in it, and the history judged.
 *
 * Invariants: nothing of a server is imitated but its sockets, its disk and its gossip; a dead process
 * does nothing, and what it was waiting for never comes.
 */
export { runCluster } from "./run.ts";
