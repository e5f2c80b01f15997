import type { AppendAttempt, Operation } from "../history.ts";

/**
 * The same question as `checkHistory`, answered by trying every order (Wing and Gong, 1993). It shares
 * no idea with the checker but the specification: a log, appended to and read, one step at a time.
 */
export function isPossible(operations: readonly Operation[]): boolean {
  const steps = operations.filter((operation) => !saysNothing(operation));
  const search = (done: number, log: readonly string[]): boolean => {
    if (steps.every((step, i) => (done & (1 << i)) !== 0 || isOptional(step))) return true;
    return steps.some((step, i) => {
      if ((done & (1 << i)) !== 0 || mustWait(steps, done, i)) return false;
      const next = execute(step, log);
      return next !== undefined && search(done | (1 << i), next);
    });
  };
  return search(0, []);
}

/** A refused append does nothing at any time; a stale "not there" is true of some earlier moment. */
function saysNothing(operation: Operation): boolean {
  if (operation.kind === "append") return operation.outcome === "fail";
  return operation.kind === "read" && operation.value === undefined && !operation.linearizable;
}

function isOptional(operation: Operation): boolean {
  return operation.kind === "append" && operation.outcome === "info";
}

/** Another one, not done yet, had its answer before this one began. */
function mustWait(steps: readonly Operation[], done: number, i: number): boolean {
  const { invokedAt } = steps[i] as Operation;
  return steps.some(
    (other, j) =>
      j !== i && (done & (1 << j)) === 0 && !isOptional(other) && other.returnedAt < invokedAt,
  );
}

/** The log after a step, or undefined when its answer is not possible now. */
function execute(step: Operation, log: readonly string[]): readonly string[] | undefined {
  switch (step.kind) {
    case "append":
      return append(step, log);
    case "read":
      return log[step.offset] === step.value ? log : undefined;
    case "tail":
      if (!step.linearizable) return log.length >= step.next ? log : undefined;
      return log.length === step.next ? log : undefined;
  }
}

function append(
  { value, outcome, offset, idempotent }: AppendAttempt,
  log: readonly string[],
): readonly string[] | undefined {
  const before = idempotent ? log.indexOf(value) : -1;
  const at = before < 0 ? log.length : before;
  if (outcome === "ok" && at !== offset) return undefined;
  return before < 0 ? [...log, value] : log;
}
