/** Broken assertions inside promises that nobody awaits are found all the same. */
export function collectRejections(found: (error: unknown) => void): () => void {
  const events = ["unhandledRejection", "uncaughtException"] as const;
  const before = events.map((event) => process.listeners(event as "unhandledRejection"));
  for (const event of events) {
    process.removeAllListeners(event);
    process.on(event as "unhandledRejection", found);
  }
  return () => {
    events.forEach((event, i) => {
      process.removeAllListeners(event);
      for (const listener of before[i] ?? []) {
        process.on(event as "unhandledRejection", listener);
      }
    });
  };
}
