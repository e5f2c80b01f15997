import type { Server } from "@grpc/grpc-js";
import type { Http2Server } from "node:http2";
import { limits } from "../base/index.ts";

/**
 * Lets clients send `limits.serverWindowBytes` ahead of a server's reading, on each stream and on each
 * connection. HTTP/2 begins with 64 KiB, and a batch of a producer is larger: it then waits several
 * times for the server's event loop to have turned, and neither side has anything to do meanwhile.
 *
 * The library has no setting for it (its client has one), so this reaches for the servers inside,
 * and does nothing if a later version keeps them elsewhere. To be called once they are there, and
 * before the first connection.
 */
export function widenWindows(server: Server): void {
  const { http2Servers } = server as unknown as Inside;
  for (const http2 of http2Servers?.keys() ?? []) {
    http2.updateSettings({ initialWindowSize: limits.serverWindowBytes });
    http2.on("session", (session) => session.setLocalWindowSize(limits.serverWindowBytes));
  }
}

interface Inside {
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
}
