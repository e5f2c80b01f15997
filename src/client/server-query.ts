import { Metadata, status as STATUS } from "@grpc/grpc-js";
import {
  decodeGetServersResponse,
  encodeGetServersRequest,
  fromServiceError,
  LOG_METHODS,
  type ServerListings,
} from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import type { ServerConnection } from "./server-connection.ts";

const { path } = LOG_METHODS.GetServers;
/** gRPC's frame: a byte for compression, which we never ask for, and a length. */
const FRAME_HEAD_BYTES = 5;

/**
 * `GetServers`, asked over a connection that there is, with the credentials that it was made with. Goes
 * to the subchannel itself: a channel would choose a server by what this call has yet to find out.
 */
export async function queryServers({
  address,
  subchannel,
}: ServerConnection): Promise<ServerListings> {
  const callCredentials = await subchannel
    .getCallCredentials()
    .generateMetadata({ method_name: path, service_url: `https://${address}/log.v1.Log` });
  const metadata = new Metadata();
  metadata.merge(callCredentials);
  return new Promise((resolve, reject) => {
    let body: Buffer | undefined;
    // In the same turn as the library's own check that the connection is there: it throws otherwise.
    const call = subchannel.getRealSubchannel().createCall(
      metadata,
      address,
      path,
      {
        onReceiveMetadata: () => undefined,
        onReceiveMessage: (frame: Buffer) => {
          body = frame.subarray(FRAME_HEAD_BYTES);
        },
        onReceiveStatus: (status) => {
          clearTimeout(timer);
          if (status.code !== STATUS.OK || body === undefined) reject(fromServiceError(status));
          else settle(() => decodeGetServersResponse(body as Buffer), resolve, reject);
        },
      },
      0,
    );
    const timer = setTimeout(() => {
      const message = `${address} has not said within ${limits.serversTimeoutMs} ms who leads`;
      reject(new ProglogError("DEADLINE_EXCEEDED", message));
      call.cancelWithStatus(STATUS.CANCELLED, message);
    }, limits.serversTimeoutMs);
    timer.unref();
    const request = encodeGetServersRequest();
    const frame = Buffer.alloc(FRAME_HEAD_BYTES + request.length);
    frame.writeUInt32BE(request.length, 1);
    frame.set(request, FRAME_HEAD_BYTES);
    call.startRead();
    call.sendMessageWithContext({}, frame);
    call.halfClose();
  });
}

function settle<T>(make: () => T, resolve: (value: T) => void, reject: (error: Error) => void) {
  try {
    resolve(make());
  } catch (error) {
    reject(ProglogError.from(error));
  }
}
