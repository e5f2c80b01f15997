import { ProglogError } from "../base/index.ts";
import { controlAfter, controlOf } from "./control.ts";
import type { Control, SideState } from "./control.ts";
import type { Segment } from "./segment.ts";

/** Side and control state as of the end of a segment, from its `.side` and its entries. */
export async function replay(segment: Segment, state: SideState): Promise<Control> {
  const side = await segment.readSide();
  if (side === undefined) throw new ProglogError("DATA_LOSS", `${segment.path("side")} is damaged`);
  let control = controlOf(side);
  state.restore(side.state);
  await segment.scan({
    onEntry: (entry) => {
      control = controlAfter(control, entry);
      state.apply(entry);
      return undefined;
    },
  });
  return control;
}
