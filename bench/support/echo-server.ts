import { fdatasyncSync, openSync, writeSync } from "node:fs";
import { argv } from "node:process";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerWritableStream,
} from "@grpc/grpc-js";
import { LOG_METHODS } from "../../src/api/index.ts";
import { limits } from "../../src/base/index.ts";
import { widenWindows } from "../../src/server/http2-window.ts";
import { answerParent } from "./answer-parent.ts";
import { LoopWatch } from "./loop-watch.ts";

/**
 * grpc-js alone: the log's methods on the wire, answered without a log behind them, with the options
 * of our own server. What it reaches is what nobody can pass who speaks gRPC by grpc-js.
 */
const server = new Server({
  "grpc.max_receive_message_length": limits.grpcMessageBytesMax,
  "grpc.max_concurrent_streams": limits.connectionStreamsMax,
  "grpc.enable_channelz": 0,
});

/** What a server stream sends: this message, so many times. Never, and the stream stays idle. */
let outgoing = { message: Buffer.alloc(0), count: 0 };

const file = openSync(argv[2] ?? "", "w");
let fileBytes = 0;

const echoUnary: handleUnaryCall<Buffer, Buffer> = (call, callback) => callback(null, call.request);

/** One write, one fdatasync, one round trip, and nothing else. */
const echoDurably: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
  fileBytes += writeSync(file, call.request, 0, call.request.length, fileBytes);
  fdatasyncSync(file);
  callback(null, call.request);
};

const echoDuplex: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on("data", (message: Buffer) => {
    if (call.write(message)) return;
    call.pause();
    call.once("drain", () => call.resume());
  });
  call.on("end", () => call.end());
};

const sendMany: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  if (outgoing.count > 0) send(call, outgoing.message, outgoing.count);
};

function send(call: ServerWritableStream<Buffer, Buffer>, message: Buffer, count: number): void {
  for (let left = count; left > 0;) {
    left -= 1;
    if (call.write(message)) continue;
    const after = left;
    call.once("drain", () => send(call, message, after));
    return;
  }
  call.end();
}

server.addService(LOG_METHODS, {
  Produce: echoUnary,
  Consume: echoDurably,
  CreateProducer: echoUnary,
  GetServers: echoUnary,
  GetOffsets: echoUnary,
  ProduceStream: echoDuplex,
  ProduceBatches: echoDuplex,
  ConsumeStream: sendMany,
  ConsumeBatches: sendMany,
});

const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
    if (error === null) resolve(bound);
    else reject(error);
  });
});

widenWindows(server);

const loop = new LoopWatch();

answerParent(
  {
    address: () => `127.0.0.1:${port}`,
    watchLoop: () => loop.start(),
    loopDelay: () => loop.read(),
    setOutgoing: (next: typeof outgoing) => {
      outgoing = { message: Buffer.from(next.message), count: next.count };
    },
  },
  () => {
    server.forceShutdown();
    return Promise.resolve();
  },
);
