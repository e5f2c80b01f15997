import type { Observer } from "../base/index.ts";
import type { Recovered } from "./recovery.ts";

/** Tells an operator what opening a log has found amiss. */
export function reportRecovery(
  observer: Observer,
  found: Pick<Recovered, "tornBytes" | "tailLost" | "stateLost" | "damage">,
): void {
  const { tornBytes: bytes } = found;
  if (found.tailLost) observer.log("error", "log.tail-unreadable", { bytes });
  else if (bytes > 0) observer.log("warn", "log.torn-tail-cut", { bytes });
  if (found.stateLost) observer.log("error", "log.state-lost", {});
  for (const { position, fromOffset, toOffset } of found.damage) {
    observer.log("error", "log.damage-found", { position, fromOffset, toOffset });
  }
}
