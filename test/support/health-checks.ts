import assert from "node:assert/strict";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { service as HEALTH } from "grpc-health-check";

interface Method {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => { readonly status: string };
}

const METHODS = Object.values(HEALTH) as unknown as readonly Method[];
const CHECK = METHODS.find(({ path }) => path.endsWith("/Check")) ?? assert.fail();

/** What `grpc.health.v1` says, asked as a kubelet does: a new connection for each question. */
export async function check(address: string, service: string): Promise<string> {
  const client = new GrpcClient(address, credentials.createInsecure());
  try {
    return await new Promise<string>((resolve) => {
      const { path, requestSerialize, responseDeserialize } = CHECK;
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { service },
        (error, ok) => resolve(error?.details ?? ok?.status ?? "?"),
      );
    });
  } finally {
    client.close();
  }
}

/** The same of every name that it answers to. */
export async function checks(address: string): Promise<Record<string, string>> {
  const names = ["startup", "readiness", "liveness", ""];
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await check(address, name)] as const)),
  );
}
