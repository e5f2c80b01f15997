import type { ChildReply, ChildRequest } from "./child.ts";

export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

/** The other end of `Child`: answers by these functions, and ends the process with the channel. */
export function answerParent(handlers: Handlers, close: () => Promise<void>): void {
  process.on("message", (request: ChildRequest) => {
    void answer(handlers, request).then((reply) => process.send?.(reply));
  });
  process.on("disconnect", () => {
    void close().finally(() => process.exit());
  });
}

async function answer(handlers: Handlers, request: ChildRequest): Promise<ChildReply> {
  const { id, name, argument } = request;
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new Error("there is no such call");
    return { id, result: await handler(argument as never) };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
