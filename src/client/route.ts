import { LOG_SERVICE } from "../api/index.ts";

/** Which servers a call may go to: those that lead, those that follow, or any. */
export type Route = "leader" | "follower" | "any";

/** The key of a call's pick information that holds its route: a picker is told no method. */
export const ROUTE_KEY = "proglog.route";

/** Appends go to the leader, reads to followers, everything else to whoever is there. */
export function routeOf(path: string): Route {
  const [, service, method = ""] = path.split("/");
  if (service !== LOG_SERVICE) return "any";
  if (method.startsWith("Produce") || method === "CreateProducer") return "leader";
  return method.startsWith("Consume") ? "follower" : "any";
}

export function isRoute(word: string | undefined): word is Route {
  return word === "leader" || word === "follower" || word === "any";
}
