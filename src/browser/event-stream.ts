import { limits, ProglogError } from "../base/index.ts";

/** One event of a stream: what stands in `event`, `id` and `data`. */
export interface ServerSentEvent {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/**
 * The events of a response, as WHATWG defines the format. Not `EventSource`: that one cannot be ended by
 * a signal, sends no other request than its own, and comes back for ever. An event larger than any
 * record is `INTERNAL`.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      if (rest.length > limits.httpEventCharsMax) {
        throw new ProglogError("INTERNAL", "the server sent an event that is too large");
      }
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    // Whoever leaves early ends the response, too.
    await reader.cancel().catch(() => undefined);
  }
}

/** Undefined for a block without data: a comment that keeps the connection alive. */
function parseEvent(block: string): ServerSentEvent | undefined {
  const fields = { event: "message", id: "", data: undefined as string | undefined };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data")
      fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`;
    else if (name === "id" || name === "event") fields[name] = value;
  }
  return fields.data === undefined ? undefined : { ...fields, data: fields.data };
}
