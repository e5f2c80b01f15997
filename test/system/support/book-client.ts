/** A client that somebody else generated, in another language, from the proto that the book prints. */

/** The messages and methods of the book's ninth chapter, with its numbers, and nothing of ours. */
export const BOOK_PROTO = `syntax = "proto3";
package log.v1;

message Record {
  bytes value = 1;
  uint64 offset = 2;
  uint64 term = 3;
  uint32 type = 4;
}
message ProduceRequest { Record record = 1; }
message ProduceResponse { uint64 offset = 1; }
message ConsumeRequest { uint64 offset = 1; }
message ConsumeResponse { Record record = 2; }
message GetServersRequest {}
message GetServersResponse { repeated Server servers = 1; }
message Server {
  string id = 1;
  string rpc_addr = 2;
  bool is_leader = 3;
}
service Log {
  rpc Produce(ProduceRequest) returns (ProduceResponse) {}
  rpc Consume(ConsumeRequest) returns (ConsumeResponse) {}
  rpc ConsumeStream(ConsumeRequest) returns (stream ConsumeResponse) {}
  rpc ProduceStream(stream ProduceRequest) returns (stream ProduceResponse) {}
  rpc GetServers(GetServersRequest) returns (GetServersResponse) {}
}
`;

/** What the generated client did, as it prints it. */
export interface BookClientReport {
  readonly produced: number;
  readonly consumed: readonly [value: string, offset: number];
  readonly streamed: readonly number[];
  readonly followed: readonly (readonly [offset: number, value: string])[];
  readonly servers: readonly (readonly [id: string, rpcAddress: string, isLeader: boolean])[];
  readonly outOfRange: readonly [status: string, message: string];
  readonly denied: readonly [status: string, message: string];
  readonly unknownCa: string;
}

/** Run as `python3 client.py <address> <folder of PEM files>`, beside the generated modules. */
export const PYTHON_CLIENT = `
import json, sys, threading
import grpc
import log_pb2 as pb
import log_pb2_grpc as rpc

address, folder = sys.argv[1:3]
read = lambda name: open(folder + "/" + name, "rb").read()

def stub(name, ca="ca.pem"):
    credentials = grpc.ssl_channel_credentials(read(ca), read(name + "-key.pem"), read(name + ".pem"))
    return rpc.LogStub(grpc.secure_channel(address, credentials))

def request(value):
    return pb.ProduceRequest(record=pb.Record(value=value.encode()))

def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]

root, report = stub("root"), {}
report["produced"] = root.Produce(request("Let's Go #1"), timeout=10).offset
record = root.Consume(pb.ConsumeRequest(offset=report["produced"]), timeout=10).record
report["consumed"] = [record.value.decode(), record.offset]

following = root.ConsumeStream(pb.ConsumeRequest(offset=0), timeout=20)
values = ["stream %d" % i for i in range(100)]
answers = root.ProduceStream((request(value) for value in values), timeout=10)
report["streamed"] = [answer.offset for answer in answers]
report["followed"] = []
for answer in following:
    report["followed"].append([answer.record.offset, answer.record.value.decode()])
    if len(report["followed"]) == 101:
        following.cancel()
        break

servers = root.GetServers(pb.GetServersRequest(), timeout=10).servers
report["servers"] = [[server.id, server.rpc_addr, server.is_leader] for server in servers]
report["outOfRange"] = failure(lambda: root.Consume(pb.ConsumeRequest(offset=1000), timeout=10))
report["denied"] = failure(lambda: stub("nobody").Produce(request("x"), timeout=10))
stranger = stub("root", "other-ca.pem")
report["unknownCa"] = failure(lambda: stranger.GetServers(pb.GetServersRequest(), timeout=10))[0]
print(json.dumps(report))
`;
