import type { Mistake } from "./bug.ts";

/** Mistakes between the decisions and the disk: `src/replica` and `src/log`. */
export const REPLICA_BUGS: readonly Mistake[] = [
  {
    name: "engine-answers-before-fsync",
    file: "src/log/appender.ts",
    find: '    if (this.#options.fsync) await this.#sync();\n    this.#options.observer.measure("log_group_entries", group.length);',
    replace: '    this.#options.observer.measure("log_group_entries", group.length);',
    why: "entries count as durable when they are written",
  },
  {
    name: "vote-not-written",
    file: "src/replica/persister.ts",
    find: "    return hardState.term !== term || hardState.vote !== vote;",
    replace: "    return hardState.term !== term && hardState.vote !== vote && term < 0;",
    why: "term and vote never reach the disk",
  },
  {
    name: "durable-out-of-order",
    file: "src/replica/persister.ts",
    find: "    for (let head = this.#syncing[0]; head?.isDurable === true; head = this.#syncing[0]) {\n      this.#syncing.shift();",
    replace:
      "    const next = () => this.#syncing.find(({ isDurable }) => isDurable);\n    for (let head = next(); head !== undefined; head = next()) {\n      this.#syncing.splice(this.#syncing.indexOf(head), 1);",
    why: "a task is called durable before those it was given after (found here first)",
  },
  {
    name: "uncommitted-is-served",
    file: "src/replica/replica.ts",
    find: "    const { commitOffset } = this.#consensus;",
    replace: "    const commitOffset = this.#consensus.nextOffset;",
    why: "readers see records that may yet be cut",
  },
  {
    name: "lost-leadership-is-refusal",
    file: "src/replica/append-loop.ts",
    find: '    "leadership was lost before the append was committed; it may be in the log or not";\n  return new ProglogError("UNAVAILABLE", message);',
    replace:
      '    "leadership was lost before the append was committed; it may be in the log or not";\n  return new ProglogError("UNAVAILABLE", message, { notAppended: true });',
    why: "an append is called not appended, and is in the log",
  },
  {
    name: "segments-gone-before-marker",
    file: "src/log/install.ts",
    find: "  await writeSide(disk, join(directory, INSTALL_FILE), marker);\n  await durably(disk.syncDirectory(directory));",
    replace:
      "  const { firstIndexes } = await listFiles(disk, directory);\n  for (const old of [...firstIndexes].reverse()) await removeSegmentFiles(disk, directory, old);\n  await durably(disk.syncDirectory(directory));\n  await writeSide(disk, join(directory, INSTALL_FILE), marker);\n  await durably(disk.syncDirectory(directory));",
    why: "segments are deleted before the marker that stands for them is durable",
  },
  {
    name: "repetition-is-appended",
    file: "src/replica/producers.ts",
    find: "    if (stamp.sequence === expected) {",
    replace: "    if (stamp.sequence <= expected) {",
    why: "a record that a producer sends again is there twice",
  },
  {
    name: "barrier-without-round",
    file: "src/replica/replica.ts",
    find: "    return this.#reads.barrier(signal);",
    replace: "    return Promise.resolve();",
    why: "a read that must be fresh is answered by whoever was asked",
  },
  {
    name: "cut-below-synced-mark",
    file: "src/log/scan.ts",
    find: "    if (!this.#stopped) this.#loseWhatWasDurable();\n",
    replace: "",
    why: "what is missing below the synced mark is taken for a torn tail",
  },
  {
    name: "state-file-not-synced",
    file: "src/log/state-file.ts",
    find: "        await this.#file.write(bytes, at);\n        await this.#file.sync();\n      }\n      this.#hard = hard;",
    replace: "        await this.#file.write(bytes, at);\n      }\n      this.#hard = hard;",
    why: "term and vote are written, and not synced",
  },
  {
    name: "second-copy-not-synced",
    file: "src/log/state-file.ts",
    find: "        await this.#file.write(bytes, at);\n        await this.#file.sync();\n      }\n      this.#hard = hard;",
    replace:
      "        await this.#file.write(bytes, at);\n        if (at === 0) await this.#file.sync();\n      }\n      this.#hard = hard;",
    why: "a vote is said when one copy of the state has it",
  },
  {
    name: "cut-not-synced",
    file: "src/log/log.ts",
    find: "    await file.truncate(position);\n    await durably(file.sync());",
    replace: "    await file.truncate(position);",
    why: "a cut of the log's end comes undone by a power cut",
  },
  {
    name: "mark-not-lowered",
    file: "src/log/log.ts",
    find: "    await this.#lowerMark(segment, before, position, true);\n",
    replace: "",
    why: "a log that was cut in order takes itself for damaged",
  },
  {
    name: "taken-back-not-synced",
    file: "src/log/appender.ts",
    find: "      // What is said not to be in the log may not come back after a power cut.\n      await durably(this.#file.sync());\n",
    replace: "",
    why: "what a full disk refused comes back after a power cut",
  },
  {
    name: "log-start-goes-back",
    file: "src/replica/retention.ts",
    find: "return offset > present.offset ? this.#log.logStartAt(offset) : present;",
    replace: "return this.#log.logStartAt(Math.min(offset, offset + present.index));",
    why: "an older deletion takes back a younger one",
  },
  {
    name: "retention-undoes-deletion",
    file: "src/log/retention.ts",
    find: "    const offset = Math.max(start.offset, segment.end.offset);",
    replace: "    const { offset } = segment.end;",
    why: "retention by bytes brings back what was deleted within a segment (found here first)",
  },
  {
    name: "start-of-what-may-be-cut",
    file: "src/replica/open-storage.ts",
    find: "  await log.startAsOf(commitIndex);\n",
    replace: "",
    why: "after a restart a deletion counts that is in the log and not committed (found here first)",
  },
  {
    name: "cut-proposal-is-fatal",
    file: "src/replica/mail.ts",
    find: "        assert(message.term < this.#parts.core().term, ",
    replace: "        assert(message.term < 0, ",
    why: "a proposal that is cut in the turn it was made in ends the process (found here first)",
  },
  {
    name: "lost-marker-not-sent-again",
    file: "src/replica/mail.ts",
    find: "      core.reportSnapshot(replicaId, false);\n",
    replace: "",
    why: "a follower waits for ever for a marker that was lost on the way",
  },
];
