import { assert } from "./assert.ts";

/** Every bound, its unit last in its name, and its reason. A queue, buffer or retry without one is a mistake. */
const KiB = 1024;
const MiB = 1024 * KiB;

/** One record: key, value and headers together. What Kafka allows by default. */
export const recordBytesMax: number = 1 * MiB;
/** One batch, and so one entry: room for a largest record and its frame. */
export const batchBytesMax: number = 2 * MiB;
/** One compressed batch, inflated: a bomb is refused here. */
export const inflatedBatchBytesMax: number = 16 * MiB;
/** Headers of one record. */
export const recordHeadersMax = 1_000;
/** Records of one batch. */
export const batchRecordsMax = 100_000;

/** One group commit: one write and one fsync. */
export const groupWriteBytesMax: number = 4 * MiB;
/** The buffer in which groups are laid out, before it has to grow. */
export const groupBufferBytesInitial: number = 256 * KiB;
/** Appends accepted and not yet answered; beyond it appends are refused as `RESOURCE_EXHAUSTED`. */
export const proposalsBytesMax: number = 32 * MiB;
/** The same, counted; bounds the bookkeeping of tiny records. */
export const proposalsMax = 100_000;
/** Appends decided in one turn of the event loop, which they may hold for a few ms. */
export const groupProposalsMax = 2_048;
/** How long a caller that gave up may still be waited for. */
export const abandonedSweepIntervalMs = 10;

/** A segment is closed when it has reached this size. */
export const segmentBytesMax: number = 128 * MiB;
/** The smallest and the largest segment that may be configured: an index has 32 bits for a place. */
export const segmentBytesMin: number = 4 * KiB;
export const segmentBytesHighest: number = 2 * 1024 * MiB;
/** One index entry for so many bytes of a segment. */
export const indexIntervalBytes: number = 4 * KiB;
/** Indexes of sealed segments kept in memory. */
export const indexCacheBytesMax: number = 64 * MiB;
/** Segment files kept open for reading. */
export const openSegmentsMax = 64;
/** Bytes read from a segment at once: two full batches of our producer, and where the index leads. */
export const readChunkBytes: number = 2 * (256 * KiB + indexIntervalBytes);
/** Bytes read at once when a whole segment is walked. */
export const scanChunkBytes: number = 1 * MiB;
/** A segment's side or index file; a larger one is not ours. */
export const sideFileBytesMax: number = 64 * MiB;
/** The newest groups kept in memory, so that a reader at the tail never asks the disk. */
export const tailCacheBytesMax: number = 8 * MiB;
/** No append for so long: one idle fence is written, and everything is below the synced mark. */
export const idleFenceMs = 20;
/** The synced mark beside the log is renewed at least this often while appends run. */
export const syncedMarkIntervalMs = 1_000;
/** Background scrub of sealed segments. */
export const scrubBytesPerSecond: number = 8 * MiB;
/** How often the scrub reads a piece, and how long it rests after a round over the whole log. */
export const scrubStepMs = 125;
export const scrubPauseMs: number = 60 * 60 * 1000;
/** What looking at a log may write into memory instead: recovery writes a group or two, and indexes. */
export const overlayBytesMax: number = 256 * MiB;
/** `meta.json`: a few names and numbers. */
export const metaBytesMax: number = 64 * KiB;
/** A process that is asked whether it holds a data directory, and does not say so in this time, does. */
export const lockAnswerTimeoutMs = 250;
/** Its answer: a pid and a host name. */
export const lockAnswerBytesMax = 1_024;
/** Askers at once; beyond it one is sent away without an answer, which says enough. */
export const lockConnectionsMax = 16;
/** Two that want the same directory at once: how often, and after which time, the first asks again. */
export const lockRoundsMax = 50;
export const lockRoundMs = 10;
/** Free space below which no new data is admitted (or one segment, if that is more). */
export const freeBytesMin: number = 64 * MiB;
/** How often free space is asked for. */
export const freeBytesCheckIntervalMs = 1_000;
/** And after how many bytes at the latest. */
export const freeBytesCheckBytes: number = 4 * MiB;
/** Share of the segments that one retention pass may delete; at least one segment. */
export const retentionShareMax = 0.1;
/** How often retention is considered. */
export const retentionIntervalMs = 10_000;

/** Reads that wait for a round of heartbeats; beyond it they are refused. */
export const raftReadsMax = 10_000;
/** A term so far above ours is no election that happened: one a second would take 136 years. */
export const raftTermJumpMax: number = 2 ** 32;
/** Members of a configuration; Raft with more is slow long before. */
export const raftMembersMax = 256;

/** A configuration, encoded: what has room beside its head in a slot of `raft.state`. */
export const configurationBytesMax: number = 8 * KiB - 56;

/** Raft's beat. */
export const tickMs = 10;
export const heartbeatTicks = 5;
/** Without a leader for so long, up to twice as long, a replica campaigns: 250 to 500 ms. */
export const electionTimeoutTicks = 25;
/** Entries in one message between replicas; one entry may be larger. */
export const raftMessageBytesMax: number = 1 * MiB;
/** About what a change of a few members takes. */
export const configurationEntryBytes: number = 1 * KiB;
/** Appends on their way to one follower, counted and in bytes. */
export const raftInflightMessagesMax = 64;
export const raftInflightBytesMax: number = 8 * MiB;
/** The newest entries kept in memory for followers that keep up. */
export const raftTailBytesMax: number = 8 * MiB;
/** Pieces read from the disk for followers that do not. */
export const raftChunksMax = 8;
/** How fast they are read for each, while nobody waits for it: appends should not notice. */
export const catchUpBytesPerSecond: number = 32 * MiB;
/** Somebody waits when nothing is committed for so long that was to be. */
export const catchUpStuckMs = 100;
/** A read for a follower that failed is tried again after this time. */
export const raftReadRetryMs = 1_000;
/** Entries applied at once; beyond it others have their turn. */
export const raftApplyBytesMax: number = 8 * MiB;
/** Messages from other replicas that wait for a turn; beyond it they are dropped. */
export const raftInboxMax = 4_096;
/** A read that asks for the newest state is refused when nobody could confirm it for so long. */
export const readIndexTimeoutMs = 5_000;
/** A replica of a known name may be replaced by another when it was silent for so long. */
export const replacedSilentMs = 10_000;
/** Servers that wait to become a cluster look for each other so often, and wait so long for an answer. */
export const bootstrapPauseMs = 300;
export const bootstrapCallTimeoutMs = 2_000;
/** Servers that a cluster may be made of; more are let in later. */
export const bootstrapExpectMax = 99;
/** Servers that do not vote yet are looked at so often, to let them in or to let them vote. */
export const reconcileIntervalMs = 200;
/** How often a leader looks for servers that are gone for good. */
export const autopilotIntervalMs = 10_000;
/** A server that is silent for less than this is never taken for gone for good. */
export const autopilotRemoveAfterMsMin = 60_000;
/** A learner is let vote only when it was heard of in this time. */
export const promotedSilentMs = 1_000;
/** A server that could not find out whether it has caught up asks again after this time. */
export const standingRetryMs = 100;
/** A leader that ends asks so many voters to lead in its place, and waits so long for each. */
export const handOverAttemptsMax = 2;
export const handOverTimeoutMs = 750;
/** A leader that is closed waits so long until what it accepted is committed. */
export const leaderDrainTimeoutMs = 1_000;
/**
 * A leader that was replaced waits so long to hear what became of the appends that it had begun: several
 * elections. Then their callers are told that it is not known.
 */
export const outcomeWaitMs = 2_000;
/** How long entries that repair a damaged range are waited for, and how soon it is tried again. */
export const repairTimeoutMs = 2_000;
export const repairRetryMs = 500;

/** Appends that one server hands to the leader at once, counted and in bytes; one may be larger. */
export const forwardAppendsMax = 512;
export const forwardCallBytesMax: number = 1 * MiB;
/** Such calls without an answer; what comes meanwhile waits, within the limits of proposals. */
export const forwardCallsMax = 16;
/** An append that meets an election waits so long for the next leader: about as long as one takes. */
export const leaderWaitMs = 500;
/** How long the leader's answer is waited for; and by an operator. */
export const forwardTimeoutMs = 30_000;
export const controlTimeoutMs = 10_000;
/** Streams at other servers whose order a leader keeps; the longest unused is forgotten, and refused. */
export const forwardedStreamsMax = 10_000;

/** Idempotent producers remembered; the longest unused is forgotten first. */
export const producersMax = 10_000;
/** Batches remembered of each producer, and so the most that may be unanswered. */
export const producerBatchesMax = 5;
/** A producer's name. */
export const producerNameBytesMax = 256;

/** Buffered for one stream before its source is held back. */
export const streamBufferBytesMax: number = 1 * MiB;
/** Answers of one stream on their way into the socket: what one write may carry. */
export const streamWindowBytes: number = 64 * KiB;
/** Requests of one stream that may be unanswered. */
export const streamInFlightMax = 1_024;
/** The same in bytes; large enough that the next group fills while one is written. */
export const streamInFlightBytesMax: number = 8 * MiB;
/** The same for all streams of a server together; beyond it they are read no further. */
export const serverInFlightBytesMax: number = 24 * MiB;
/** Work for waiting streams in one turn of the event loop. */
export const tailTurnMs = 2;
/** Bytes handed to one waiting stream before the next has its turn. */
export const tailServingBytesMax: number = 64 * KiB;
/** Encoded records kept for other readers of the same, per format of the wire. */
export const tailPagesBytesMax: number = 16 * MiB;
/** Reads from the disk that run at once for waiting streams. */
export const tailReadsMax = 8;
/** Streams and calls waiting for the tail on one server. */
export const tailWaitersMax = 100_000;
/** What a client may send ahead of the server's reading (HTTP/2 window), a stream and a connection. */
export const serverWindowBytes: number = 1 * MiB;
/** Calls of one connection that may run at once (HTTP/2 `MAX_CONCURRENT_STREAMS`). */
export const connectionStreamsMax = 10_000;
/** Calls of a server that run at once, of all connections together; beyond it they are refused. */
export const callsMax = 200_000;
/** Of requests that are not complete, or whose call goes on, all connections together. */
export const requestsHeldBytesMax: number = 256 * MiB;
/** Connections on one port that have not said yet what they speak; the oldest goes for a new one. */
export const handshakesMax = 4_096;
/** How often a gRPC connection is looked at for what it costs. */
export const connectionCheckIntervalMs = 500;
/** What a gRPC connection may send in that time besides its calls; window updates are a thousandth. */
export const wasteBytesPerCheck: number = 512 * KiB;
/** What it may send beyond that, in all, before it is cut: more than a window of what nobody reads. */
export const wasteBytesMax: number = 4 * MiB;
/** Calls that a connection may break off at once (below Node's own 1,000), and again in each interval. */
export const resetsBurstMax = 500;
export const resetsPerCheck = 100;
/** After a permission was revoked, until a stream whose reader does not read is cut. */
export const revokedLingerMs = 500;
/** Connections on one port. */
export const connectionsMax = 20_000;
/** Connections on the health port: kubelets and collectors of metrics are few. */
export const healthConnectionsMax = 256;
/** Calls on one of them at once. */
export const healthStreamsMax = 16;
/** A request of a health check, which is a name. */
export const healthMessageBytesMax = 4_096;
/** Until a new connection has said what it speaks. */
export const handshakeTimeoutMs = 5_000;
/** A gRPC connection without traffic is asked for a sign of life so often, and given so long for it. */
export const keepaliveIntervalMs = 30_000;
export const keepaliveTimeoutMs = 10_000;
/** HTTP/1.1 request headers. */
export const httpHeadersTimeoutMs = 10_000;
export const httpHeaderBytesMax: number = 16 * KiB;
/** A JSON body: base64 is a third longer than the bytes, and there are names around it. */
export const httpBodyBytesMax: number = 1.5 * recordBytesMax;
/** A whole HTTP/1.1 request, body included. */
export const httpRequestTimeoutMs = 60_000;
/** A connection without a request; longer than the idle time of usual load balancers (60 s). */
export const httpIdleTimeoutMs = 75_000;
/** How often those three are looked at. */
export const httpTimeoutsCheckIntervalMs = 1_000;
/** Bodies that are being received, of all connections together. */
export const httpBodiesBytesMax: number = 64 * MiB;
/** What a client still sends after it was refused is thrown away so long, so that it reads why. */
export const httpLingerMs = 5_000;
export const httpLingerBytesMax: number = 64 * MiB;
/** A sign of life on an event stream (SSE) on which nothing else was sent. */
export const sseHeartbeatMs = 15_000;
/** Nesting of a JSON body. */
export const jsonDepthMax = 16;
/** An event of a stream that a web page reads: a largest record, escaped as JSON escapes at worst. */
export const httpEventCharsMax: number = 8 * recordBytesMax;
/** Records of one `POST /v1/records`. */
export const httpRecordsMax = 10_000;
/** A gRPC message: the largest batch and its envelope. */
export const grpcMessageBytesMax: number = batchBytesMax + 64 * KiB;
/** A client's call with one answer, all attempts together. */
export const callTimeoutMs = 30_000;
/** One attempt of a call that may be repeated, where the server does not answer at all. */
export const attemptTimeoutMs = 10_000;
/** Nor is an attempt begun with less time than this: it could only make a certain outcome uncertain. */
export const attemptTimeMsMin = 200;
/** Servers that a client connects to: no cluster has more, and no answer may make it dial the world. */
export const clientServersMax = 64;
/**
 * A server that has not let a client in after this time is passed over where there are others, and dialled
 * anew: its name may have another address by now. Each further attempt may take twice as long.
 */
export const clientConnectTimeoutMs = 5_000;
export const clientConnectTimeoutMsMax = 20_000;
/** How often a client asks who leads: always, and while it knows of no leader that it can reach. */
export const serversIntervalMs = 10_000;
export const serversRetryMsMin = 100;
export const serversRetryMsMax = 2_000;
/** So long a server that says that it is about to end is passed over, if its connection stays so long. */
export const leavingPassedOverMs = 2_000;
/** How long a server may take to say it. */
export const serversTimeoutMs = 2_000;
/** How often a client looks at its certificates; a change counts after two looks. */
export const clientFileCheckIntervalMs = 1_000;
/** A client's gRPC connection with calls, and no traffic, is asked for a sign of life so often. */
export const clientKeepaliveIntervalMs = 5_000;
export const clientKeepaliveTimeoutMs = 5_000;
/**
 * Attempts that a client makes of a call, or of a stream without progress, before it gives up: some two
 * seconds, in which a server is started again.
 */
export const retryAttemptsMax = 7;
/** The pause after a failed attempt; it doubles, with jitter, up to the second number. */
export const retryDelayMsMin = 50;
export const retryDelayMsMax = 2_000;
/** A lost connection is dialled again at least so often: what comes back is found within about a second. */
export const reconnectDelayMsMax = 1_000;
/** After a server that does not lead: elections take less than a second. */
export const leaderRetryDelayMsMax = 250;
/** Repetitions of all calls of one client, a second, and so many at once after a quiet time. */
export const retriesPerSecondMax = 200;
export const retriesBurstMax = 50;
/** Attempts of those who follow a log for days: servers are restarted, and come back. */
export const followRetryAttemptsMax = 60;
/** A producer's stream without an answer for so long is tried anew, which a stamp makes harmless. */
export const producerStallMsMin = 3_000;
/** A producer that got no answer for so long, whatever it tried, gives up. */
export const deliveryTimeoutMs = 60_000;
/** A batch of the client's producer is sent when it has reached this size. */
export const producerBatchBytesMax: number = 256 * KiB;
/** Records that a producer accepted and that are not durable yet; beyond it `send` waits. */
export const producerBufferBytesMax: number = 8 * MiB;
/** Calls of `send` that may wait for room in one producer; beyond it they are refused. */
export const producerWaitingMax = 10_000;
/** What a server may send to a client ahead of its reading (HTTP/2 window). */
export const clientWindowBytes: number = 1 * MiB;
/** An error's sentence, and each of its facts: they travel in headers, which are small. */
export const errorTextCharsMax = 1_024;
/** A configuration file; a longer one is a mistaken path. */
export const configFileBytesMax: number = 1 * MiB;
/** A certificate that ends within this time is complained about. */
export const certificateEndsSoonMs = 2_592_000_000;
/** Disks fail in sectors of at most so many bytes, and the page cache keeps them by as many. */
export const diskPageBytes = 4_096;
/** How often certificates and policies are looked at: a change takes effect after two looks. */
export const fileCheckIntervalMs = 250;
/** Lines of a policy; each costs when a decision is made for the first time. */
export const policyLinesMax = 10_000;
/** Decisions remembered of one version of a policy. */
export const policyDecisionsMax = 10_000;
/** After SIGTERM, until calls that still run are cut. */
export const drainTimeoutMs = 10_000;
/** One fact of a log line: a stack is told, a message of a client is not told whole. */
export const logFieldCharsMax = 4_096;
/** Log lines that nobody has taken yet; beyond it lines are dropped and counted. */
export const logBufferBytesMax: number = 1 * MiB;
/** Series of one metric; what comes later is one series more, of the label value `other`. */
export const metricSeriesMax = 200;
/** Spans that wait to be exported; beyond it they are dropped. */
export const spansWaitingMax = 2_048;
/** Appends of sampled calls that are watched at one time, to say which fsyncs they waited for. */
export const tracedAppendsMax = 64;
/** After the end of a server, until traces that nobody takes are given up. */
export const telemetryFlushTimeoutMs = 2_000;
/** Between two complaints about a collector that takes no traces. */
export const telemetryComplaintIntervalMs = 60_000;
/** Between two looks at all metrics that `--debug-telemetry` writes down. */
export const debugMetricsIntervalMs = 1_000;

/** A gossip packet: what memberlist sends, and every network carries without fragments. */
export const gossipPacketBytes = 1_400;
/** Members known, the dead of the last days included. Beyond it nobody new is taken in. */
export const gossipMembersMax = 16_384;
/** A member's name, as in Serf. */
export const gossipNameCharsMax = 128;
/** A member's encoded tags: they ride in packets with others. */
export const gossipMetaBytesMax = 512;
/** Broadcasts of one kind that wait; with more members than half of it, twice the members. */
export const gossipQueueMax = 1_024;
/** Probes that run for others. */
export const gossipRelaysMax = 1_024;
/** Streams that the core has opened and not heard the end of. */
export const gossipStreamsMax = 128;
/** A member's incarnation: believed up to the first, or up to the second above what is known; 32 bits end at the third. */
export const gossipIncarnationMax: number = 2 ** 31;
export const gossipIncarnationStepMax = 64;
export const gossipIncarnationLast: number = 2 ** 32 - 1;
/** Lamport times: believed up to the first, or up to the second ahead of our own clock. */
export const gossipTimeMax: number = 2 ** 47;
export const gossipTimeStepMax: number = 2 ** 20;
/** Intents about members that are not known yet, and how long they are kept. */
export const gossipIntentsMax = 4_096;
export const gossipIntentKeptMs: number = 5 * 60 * 1000;
/** Lamport times of events and queries that are remembered, so that each is delivered once. */
export const gossipEventTimes = 512;
/** Events, or queries, of the same Lamport time, and their bytes: all that is remembered fits into one push/pull. */
export const gossipEventsPerTimeMax = 16;
export const gossipEventBytesPerTimeMax: number = 16 * KiB;
/** A user event: name and payload. */
export const gossipEventBytesMax = 512;
/** A query or its answer, encoded. */
export const gossipQueryBytesMax = 1_024;
/** Filters of one query that are looked at. */
export const gossipQueryFiltersMax = 64;
/** Queries of our own that run at once. */
export const gossipQueriesMax = 256;
/** The longest that a query may run. */
export const gossipQueryTimeoutMsMax: number = 10 * 60 * 1000;
/** A filter's regular expression, and the steps that it may take when compiled. */
export const gossipExpressionCharsMax = 256;
export const gossipExpressionStepsMax = 2_048;
/** Others that a query's answer is also sent through. */
export const gossipRelayFactorMax = 5;
/** Failed members are asked for again, and forgotten like the left ones, so often and so late. */
export const gossipReconnectIntervalMs = 30_000;
export const gossipReapIntervalMs = 15_000;
export const gossipMemberKeptMs: number = 24 * 60 * 60 * 1000;
/** A leave waits at most so long for each of its two messages to be sent. */
export const gossipLeaveTimeoutMs = 5_000;
/** Members that one that leaves tells itself, besides gossip. */
export const gossipFarewellsMax = 16;
/** Between two votes about our name, and two reminders to one that returned. */
export const gossipConflictIntervalMs = 10_000;
export const gossipReminderIntervalMs = 1_000;
/** Gossip on the wire. A UDP packet that comes in: no larger one exists. */
export const gossipDatagramBytesMax: number = 64 * KiB - 1;
/** What the compressions of one packet may hold: the packets of peers are 1,400 bytes before that. */
export const gossipPacketInflatedBytesMax: number = 64 * KiB;
/** One message of a stream as it comes, and inflated: members, and Serf's state. */
export const gossipStreamBytesMax: number = 24 * MiB;
export const gossipStreamInflatedBytesMax: number = 24 * MiB;
/** Serf's state within it, as memberlist limits it. */
export const gossipSerfStateBytesMax: number = 20 * MiB;
/** Rows of a push/pull that are read: with more, nothing of it would be believed. */
export const gossipRowsMax: number = gossipMembersMax;
/** One row: a name and tags. */
export const gossipRowBytesMax: number = 64 * KiB;
/** Values of one message: of all members' times and all remembered events there are fewer than half as many. */
export const gossipValuesMax: number = 256 * KiB;
/** What is read again of a stream's values because they came in pieces. */
export const gossipStreamRereadBytesMax: number = 4 * MiB;
/** Streams of others that are served at once, as memberlist limits them, and all their bytes. */
export const gossipServedStreamsMax = 128;
export const gossipServedBytesMax: number = 64 * MiB;
/** A stream of somebody else, from its first byte to our last. */
export const gossipServedStreamMs = 10_000;
/** Keys of a keyring: the one in use, the one before, the one to come, and some that were forgotten. */
export const gossipKeysMax = 16;
/** How often a packet or stream that was not understood is told of; all are counted. */
export const gossipComplaintIntervalMs = 1_000;
/** Events that wait for whoever follows them; the oldest go first, and that is told. */
export const membershipEventsMax = 4_096;
/** A join that failed is tried again after so long; the pause doubles up to the second. */
export const joinRetryMsMin = 1_000;
export const joinRetryMsMax = 30_000;
/** Seeds that are tried at once, and members of the last life that are tried beside them, drawn anew each time. */
export const joinsAtOnceMax = 16;
export const rememberedTriedMax = 16;
/** Lines about members in one go; in a flood there is one for each `gossipComplaintIntervalMs`. */
export const memberLinesMax = 256;
/** How often one that joined looks whether it is alone again. */
export const rejoinCheckMs = 30_000;
/** What a stop takes at most to leave the gossip in order. */
export const leaveTimeoutMs = 5_000;
/** Addresses that one name of a seed may stand for. */
export const joinAddressesMax = 64;
/** The snapshot of members: how often it may be written, its size, and the members it names. */
export const snapshotIntervalMs = 500;
export const snapshotBytesMax: number = 1 * MiB;
export const snapshotMembersMax = 1_024;
/** Operators' connections (Serf's agent RPC), one request, streams of one, and what waits for a slow reader. */
export const ipcConnectionsMax = 64;
export const ipcRequestBytesMax: number = 64 * KiB;
export const ipcStreamsMax = 16;
export const ipcBufferBytesMax: number = 1 * MiB;
/** Rounds of one turn of membership: a listener that asks for something each time it is told something. */
export const membershipRoundsMax = 1_000;
/** An answer of an agent to one of our tools: all members with all their tags. */
export const ipcAnswerBytesMax: number = 64 * MiB;
/** Queries that an operator was told of and has not answered. */
export const ipcQueriesMax = 256;
/** Lines that a new `monitor` is shown of what was before it. */
export const ipcLogLinesMax = 512;

/** One frame between replicas: entries as `raftMessageBytesMax` bounds them, or a marker with all producers. */
export const peerFrameBytesMax: number = 8 * MiB;
/** A frame with a heartbeat, a vote or a question about reads; none of them has a hundred bytes. */
export const peerControlFrameBytesMax: number = 1 * KiB;
/** What two replicas say of themselves before the first message, and one name within it. */
export const peerHelloBytesMax: number = 4 * KiB;
export const peerNameBytesMax = 255;
/** Messages that wait for one connection, counted and in bytes; beyond it the oldest is dropped. */
export const peerQueueMessagesMax = 64;
export const peerQueueBytesMax: number = 8 * MiB;
/** An entry's payload from this size on is handed to the socket as it is, not copied beside others. */
export const peerCopyBytesMax: number = 4 * KiB;
/** A connection is asked for a sign of life so often, and cut after so many questions without answer. */
export const peerPingIntervalMs = 1_000;
export const peerPingsMissedMax = 5;
/** A call between servers, or its reply; less than what an idle connection may hold. */
export const peerCallBytesMax: number = 4 * MiB;
/** Calls to other servers that wait for an answer, and calls of one server that are being answered. */
export const peerCallsMax = 1_024;
export const peerCallsServedMax = 64;
/** Pause after a failed dial: it doubles, with jitter, up to the second; a refusal waits that long at once. */
export const peerRetryMsMin = 50;
export const peerRetryMsMax = 2_000;
/** Whoever says hello is dialled before that pause is over, but not more often than so. */
export const peerWakePauseMs = 200;
/** Replicas that dialled us without being in the configuration; the oldest is forgotten first. */
export const peersLearnedMax = 64;
/** How often a connection that was refused or not understood is told of; all are counted. */
export const peerComplaintIntervalMs = 1_000;
/** Connections of other replicas: two of each member, and as many again that are being replaced. */
export const peerConnectionsMax: number = 4 * raftMembersMax;

assert(recordBytesMax + 64 * KiB <= batchBytesMax, "the largest record fits into a batch");
assert(batchBytesMax <= groupWriteBytesMax, "the largest batch fits into a group write");
assert(groupWriteBytesMax <= proposalsBytesMax, "a group write can be filled");
assert(
  segmentBytesHighest + 2 * groupWriteBytesMax < 2 ** 32,
  "every place in a segment has 32 bits",
);
assert(httpBodyBytesMax <= httpBodiesBytesMax, "the largest body can be received");
assert(raftMessageBytesMax + 2 * batchBytesMax <= peerFrameBytesMax, "every message fits a frame");
assert(
  batchBytesMax + forwardCallBytesMax <= peerCallBytesMax,
  "the largest append can be handed on",
);
