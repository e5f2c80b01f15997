/**
 * The disk as the log sees it: few verbs, all promises, so that a test can be the disk. Failures are
 * the operating system's (`code` is `ENOENT`, `ENOSPC`, `EIO`, …); their meaning is the caller's.
 */
export interface Disk {
  /**
   * `read` and `write` open what exists; `create` makes a new, empty file and fails with `EEXIST`;
   * `replace` makes it or empties it.
   */
  open(path: string, mode: "read" | "write" | "create" | "replace"): Promise<DiskFile>;
  /** Names in a directory, unsorted. */
  list(directory: string): Promise<string[]>;
  /** Makes a directory and its parents; no error when it is there. */
  makeDirectory(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes names in a directory durable: creations, renames, removals. */
  syncDirectory(directory: string): Promise<void>;
  /** Bytes that may still be written to the file system that holds `directory`. */
  free(directory: string): Promise<number>;
}

export interface DiskFile {
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Makes the file's bytes and length durable (`fdatasync`). */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
