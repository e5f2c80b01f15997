import { join } from "node:path";
import { assert } from "../base/index.ts";
import { INSTALL_FILE, listFiles, removeSegmentFiles } from "./directory.ts";
import { durably } from "./durably.ts";
import type { ResolvedLogOptions } from "./options.ts";
import { writeSide } from "./segment-files.ts";
import { readWhole, segmentPath } from "./segment.ts";
import { decodeSide, decodeSideHead } from "./side.ts";
import type { Side } from "./side.ts";
import type { StateFile } from "./state-file.ts";

/**
 * Replaces the whole log by a prefix marker: everything below it counts as compacted away, and the
 * log goes on after it. Three steps, of which any may be the last before a crash: the marker is made
 * durable beside the log, the intent is made durable in `raft.state`, and then the old segments go and
 * the marker takes its place. From the second step on the next start finishes the work.
 */
export async function installMarker(
  options: ResolvedLogOptions,
  stateFile: StateFile,
  marker: Side,
): Promise<void> {
  const { disk, directory } = options;
  await writeSide(disk, join(directory, INSTALL_FILE), marker);
  await durably(disk.syncDirectory(directory));
  const { configuration, configurationIndex, firstIndex } = marker;
  await durably(
    stateFile.saveHard({
      ...stateFile.hard,
      configuration,
      configurationIndex,
      installing: firstIndex,
    }),
  );
  await finishInstall(options, stateFile);
}

/** The third step; doing it twice does no harm. */
export async function finishInstall(
  options: ResolvedLogOptions,
  stateFile: StateFile,
): Promise<void> {
  const { disk, directory } = options;
  const first = stateFile.hard.installing;
  assert(first > 0, "an installation is under way");
  const marker = await readMarker(options, first);
  await durably(
    stateFile.saveMark({
      index: first - 1,
      term: marker?.previousTerm ?? 0,
      nextOffset: marker?.nextOffset ?? 0,
      segment: first,
      segmentBytes: 0,
      clean: false,
      cutting: false,
    }),
  );
  const isPending = (await readWhole(disk, join(directory, INSTALL_FILE))) !== undefined;
  const { firstIndexes } = await listFiles(disk, directory);
  for (const old of [...firstIndexes].reverse()) {
    if (old !== first || isPending) await removeSegmentFiles(disk, directory, old);
  }
  await durably(disk.syncDirectory(directory));
  const sidePath = segmentPath(directory, first, "side");
  if (isPending) await disk.rename(join(directory, INSTALL_FILE), sidePath);
  const log = await disk.open(segmentPath(directory, first, "log"), "replace");
  await log.close();
  await durably(disk.syncDirectory(directory));
  await durably(stateFile.saveHard({ ...stateFile.hard, installing: 0 }));
}

async function readMarker(options: ResolvedLogOptions, first: number): Promise<Side | undefined> {
  const { disk, directory } = options;
  const pending = await readWhole(disk, join(directory, INSTALL_FILE));
  const bytes = pending ?? (await readWhole(disk, segmentPath(directory, first, "side")));
  if (bytes === undefined || decodeSideHead(bytes) === undefined) return undefined;
  return decodeSide(bytes);
}
