import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpLimits } from "./http-limits.ts";

/**
 * The last answer of a connection whose client is still sending. Closing at once would reset the
 * connection, and the reset may overtake the answer; so the answer goes out complete, and what still
 * comes is thrown away for a moment before the connection is closed.
 */
export function linger(
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
  limits: HttpLimits,
): void {
  response.write(text);
  response.flushHeaders();
  let bytes = 0;
  const close = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(close, limits.lingerMs);
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limits.lingerBytesMax) close();
  });
  request.once("end", close);
  response.once("close", () => clearTimeout(timer));
  request.resume();
}
