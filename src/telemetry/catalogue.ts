import { BYTES_BOUNDS, COUNT_BOUNDS, SECONDS_BOUNDS } from "./distribution.ts";

export type MetricKind = "counter" | "gauge" | "histogram";

export interface Definition {
  /** Without `proglog_`. */
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  /** The labels of its series; absent: there is one series. */
  readonly labels?: readonly string[];
  /** Of a distribution. */
  readonly bounds?: readonly number[] | undefined;
}

const CALL = ["service", "method"];

/**
 * Every metric that this version knows to tell, for `/metrics` and for `docs/operating`. A part may
 * tell of others by their name alone; a line here gives them a help text, and labels.
 */
export const DEFINITIONS: readonly Definition[] = [
  // The four golden signals, by method.
  seconds("call_duration_seconds", "Time from a call to its answer; streams are not in it.", CALL),
  counter("calls_total", "Calls that ended, by their outcome.", [...CALL, "code"]),
  gauge("calls_in_flight", "Calls that run now; a stream is one call.", CALL),
  counter("messages_received_total", "Messages that clients sent.", CALL),
  counter("messages_sent_total", "Messages sent to clients.", CALL),
  counter("received_bytes_total", "Bytes of messages that clients sent.", CALL),
  counter("sent_bytes_total", "Bytes of messages sent to clients.", CALL),

  // Appends and reads, whatever wire they came over.
  seconds("append_duration_seconds", "Time from an append to its durable, committed answer."),
  counter("append_failures_total", "Appends that were not answered with an offset.", ["code"]),
  counter("appended_records_total", "Records appended since the start."),
  counter("appended_bytes_total", "Bytes of records appended since the start."),
  counter("appends_forwarded_total", "Appends that were handed to the server that leads."),
  counter("forwarded_appends_total", "Appends that other servers have handed to this one."),
  gauge("appends_in_flight", "Appends that wait for their answer."),
  seconds("read_duration_seconds", "Time of a read that the disk was asked for."),
  counter("reads_total", "Reads of the log, from memory or from disk.", ["from"]),

  // The log and its disk.
  gauge("log_lowest_offset", "The first offset that can be read."),
  gauge("log_next_offset", "One past the highest committed offset: the high watermark."),
  gauge("log_size_bytes", "Bytes of the log's segments."),
  gauge("log_segments", "Segments of the log."),
  gauge("log_free_bytes", "Free space of the log's file system, as last seen."),
  seconds("log_fsync_duration_seconds", "Time of one fdatasync of the active segment."),
  counter("log_written_bytes_total", "Bytes written to segments, fences included."),
  {
    name: "log_group_entries",
    kind: "histogram",
    help: "Entries that shared one write and one fsync.",
    bounds: COUNT_BOUNDS,
  },
  counter("log_scrub_bytes_total", "Bytes re-read in the background to find damage."),
  counter("log_scrub_damaged_ranges_total", "Damaged ranges that the scrub has found."),
  gauge("term", "The Raft term that this server knows."),
  gauge("leader", "1 on the server that leads, else 0."),
  gauge("role", "1 for the role that this replica has now, else 0.", ["role"]),
  gauge("has_leader", "1 while this server knows who leads, else 0."),
  counter("leader_changes_total", "Times that this server heard of another leader."),
  gauge("replicas", "Servers that take part in the log, as this one knows.", ["role"]),
  gauge("commit_index", "The last log entry that is committed, as far as this server knows."),
  gauge("last_index", "The last log entry that this server has, durable or not."),
  gauge("damaged", "1 while this replica lacks what it once acknowledged, else 0."),
  gauge(
    "replication_lag_entries",
    "On the leader: committed log entries that the replica furthest behind lacks.",
  ),
  gauge(
    "voters_unheard",
    "On the leader: voters of which nothing was heard for ten seconds; they count in every majority.",
  ),
  counter("autopilot_removals_total", "Servers that were removed because they were gone for long."),
  counter("log_segments_mended_total", "Damaged segments made whole from other replicas."),
  gauge("producers", "Idempotent producers that the log knows."),

  // Who is there.
  gauge("connections", "Open connections of the RPC port."),
  counter("connections_refused_total", "Connections that were cut before anything was served."),
  gauge("followers", "Streams and waiting reads at the end of the log."),

  // Who may do what.
  counter(
    "access_denied_total",
    "Calls that were refused by the access list, or for want of a name.",
  ),
  counter(
    "access_revoked_total",
    "Streams that were ended because their permission was taken away.",
  ),
  gauge(
    "tls_certificate_not_after_timestamp_seconds",
    "When a certificate in use ends, in seconds since 1970; of authorities, the first to end.",
    ["files", "kind"],
  ),
  counter("connections_cut_total", "Connections that were cut because they did not behave."),
  ...["policy", "server_tls", "peer_tls"].flatMap((name) => [
    counter(`${name}_reloads_total`, "Times that changed files came into force."),
    counter(`${name}_reload_failures_total`, "Times that changed files could not be used."),
    gauge(`${name}_reload_failed`, "1 while the files on disk cannot be used and older ones are."),
  ]),

  // Other replicas.
  counter("peer_dials_total", "Attempts to reach another replica."),
  counter("peer_connections_failed_total", "Connections to other replicas that failed or broke."),
  counter(
    "peer_messages_dropped_total",
    "Messages to other replicas that did not fit into their link.",
  ),
  counter("peer_messages_refused_total", "Messages of other replicas that were not understood."),
  counter("peer_replies_lost_total", "Answers to other servers that did not fit into their link."),
  counter(
    "raft_messages_refused_total",
    "Raft messages that did not continue this log, or were odd.",
  ),
  counter("peer_connections_refused_total", "Connections of other replicas that were refused."),

  gauge("gossip_members", "Members that gossip knows.", ["status"]),
  counter("gossip_member_events_total", "Members that came, changed, left or failed.", ["kind"]),
  gauge("gossip_health_score", "How late this member is itself; 0 is healthy, 7 is worst."),
  gauge("gossip_suspicions", "Members that are suspected now."),
  counter("gossip_suspected_total", "Suspicions of members, by anybody."),
  counter("gossip_decisions_total", "What gossip did, and what it did not believe.", ["what"]),
  counter("gossip_tcp_only_total", "Probes that TCP answered and UDP did not."),
  seconds("gossip_probe_seconds", "Time from a probe to its answer."),
  gauge("gossip_broadcasts_waiting", "Messages that are still to be gossiped on."),
  counter("gossip_packets_received_total", "UDP packets that came."),
  counter("gossip_packets_sent_total", "UDP packets sent."),
  counter("gossip_received_bytes_total", "Bytes of UDP packets that came."),
  counter("gossip_sent_bytes_total", "Bytes of UDP packets sent."),
  counter("gossip_messages_received_total", "Messages in packets that came.", ["kind"]),
  counter("gossip_messages_sent_total", "Messages in packets sent.", ["kind"]),
  counter("gossip_streams_total", "TCP streams with other members.", ["what"]),
  counter("gossip_dropped_total", "Packets and streams that were not understood.", ["reason"]),
  counter("gossip_unsendable_total", "Packets that could not be sent."),
  counter("ipc_connections_refused_total", "Connections of Serf's tools beyond the limit."),
  counter("ipc_authentications_failed_total", "Tools of Serf that did not know the token."),
  counter("ipc_records_dropped_total", "Events that one of Serf's tools was too slow for."),

  // The process.
  gauge("ready", "1 when this server should be given work, else 0."),
  gauge("fsync_relaxed", "1 when what is acknowledged may be lost with the machine, else 0."),
  gauge("start_time_seconds", "When the server started, in seconds since 1970."),
  gauge("build_info", "1; what runs is in the labels.", ["version", "runtime"]),
  gauge("resident_memory_bytes", "Memory of the process."),
  gauge("heap_used_bytes", "Memory of JavaScript objects."),
  counter("cpu_seconds_total", "Processor time used, by all threads."),
  gauge("event_loop_delay_seconds", "How late the event loop was since the last look.", [
    "statistic",
  ]),
  gauge("event_loop_utilization_ratio", "Share of the time since the last look spent working."),
  counter("log_lines_dropped_total", "Log lines that were not written because too many came."),
  counter("spans_total", "Calls that were traced."),
  counter("spans_lost_total", "Spans that the collector did not take."),
];

const BY_NAME = new Map(DEFINITIONS.map((definition) => [definition.name, definition]));

/** Also for a name that is not in the catalogue. */
export function definitionOf(name: string, kind: MetricKind): Definition {
  const known = BY_NAME.get(name);
  if (known !== undefined) return known;
  const bounds = kind === "histogram" ? boundsFor(name) : undefined;
  return { name, kind, help: `${name.replaceAll("_", " ")}.`, bounds };
}

function boundsFor(name: string): readonly number[] {
  if (name.endsWith("_seconds")) return SECONDS_BOUNDS;
  return name.endsWith("_bytes") ? BYTES_BOUNDS : COUNT_BOUNDS;
}

function seconds(name: string, help: string, labels?: readonly string[]): Definition {
  return { name, kind: "histogram", help, ...given(labels), bounds: SECONDS_BOUNDS };
}

function counter(name: string, help: string, labels?: readonly string[]): Definition {
  return { name, kind: "counter", help, ...given(labels) };
}

function gauge(name: string, help: string, labels?: readonly string[]): Definition {
  return { name, kind: "gauge", help, ...given(labels) };
}

function given(labels: readonly string[] | undefined): Pick<Definition, "labels"> {
  return labels === undefined ? {} : { labels };
}
