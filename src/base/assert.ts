/** A broken invariant: our own mistake. Never caught, always fatal. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops the process when we are wrong. Errors of the world are `ProglogError`s instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the end of a switch over a union: a new member does not compile until it is answered. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
