import { EXIT } from "./exit-codes.ts";
import { openOffline } from "./offline.ts";
import type { Context } from "./run.ts";

/** Reads everything, and tells what is damaged: file, bytes, and the offsets that are lost. */
export async function verify(context: Context, directory: string): Promise<number> {
  const { out, json, signal } = context;
  await using data = await openOffline(context, directory, "read");
  const { log } = data;
  const found = await log.verify(signal);
  const damage = [...found].flatMap(([file, ranges]) =>
    ranges.map((range) => ({ file, ...range })),
  );
  const { lowestOffset, syncedOffset: nextOffset, sizeBytes, segmentCount, firstIndex } = log;
  if (json) {
    const { tornBytes, stateLost } = log.recovery;
    const size = { segmentCount, sizeBytes, firstIndex, nextIndex: log.lastIndex + 1 };
    out.json({ ...size, lowestOffset, nextOffset, tornBytes, stateLost, damage });
  } else {
    for (const { file, position, endPosition, fromOffset, toOffset } of damage) {
      const lost = `offsets ${fromOffset} to ${toOffset - 1} are lost`;
      const what = toOffset > fromOffset ? lost : "no record is lost";
      out.line(`${file}: bytes ${position} to ${endPosition} are damaged: ${what}`);
    }
    const extent = `${segmentCount} segments, ${sizeBytes} bytes, ${nextOffset - lowestOffset} offsets`;
    const where = nextOffset > lowestOffset ? ` (${lowestOffset} to ${nextOffset - 1})` : "";
    out.line(`${damage.length === 0 ? "whole" : "DAMAGED"}: ${extent}${where}`);
  }
  return damage.length === 0 ? EXIT.done : EXIT.failed;
}
