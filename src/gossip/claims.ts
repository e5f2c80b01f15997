/** What must be true of a claim before anybody looks at what it says. */
import { limits } from "../base/index.ts";
import { isAddress, isMemberName } from "./member.ts";
import type { Alive, Versions } from "./message.ts";
import type { CountName } from "./ready.ts";

/** What is wrong with a claim, as the name of its counter. */
export function flawOf(claim: Alive, ours: Versions): CountName | undefined {
  if (!isMemberName(claim.name)) return "member_name_invalid";
  if (!isAddress(claim.address)) return "address_refused";
  if (!understand(claim.versions, ours)) return "versions_refused";
  if (claim.meta.length > limits.gossipMetaBytesMax) return "meta_refused";
  return undefined;
}

/**
 * An incarnation must leave room for the answer to it, and that answer must be believed in its turn.
 * So any is believed up to a bound that no honest member reaches, and beyond it only a little above
 * what is known of the member: a forger can push the number there, but neither to its end nor out
 * of the others' reach.
 */
export function isBelievable(incarnation: number, known = 0): boolean {
  const { gossipIncarnationMax, gossipIncarnationStepMax, gossipIncarnationLast } = limits;
  return (
    Number.isSafeInteger(incarnation) &&
    incarnation >= 0 &&
    incarnation <= Math.max(gossipIncarnationMax, known) + gossipIncarnationStepMax &&
    incarnation < gossipIncarnationLast
  );
}

/**
 * Whether two speak versions that both understand, of memberlist and of Serf. One that does not, once
 * believed, would make everybody refuse everybody's push/pulls.
 */
function understand(theirs: Versions, ours: Versions): boolean {
  if (theirs.length !== 6) return false;
  return [0, 3].every((first) => speaks(theirs, ours, first) && speaks(ours, theirs, first));
}

/** Whether what one speaks is what the other understands; min, max and current stand side by side. */
function speaks(one: Versions, other: Versions, first: number): boolean {
  const [min = 0, max = 0] = other.subarray(first);
  const spoken = one[first + 2] ?? 0;
  return min > 0 && spoken >= min && spoken <= max;
}
