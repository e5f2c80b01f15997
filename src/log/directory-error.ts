import { ProglogError } from "../base/index.ts";

/** What the person who named the directory has to put right, in words. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "it is not permitted",
  EROFS: "the file system is read-only",
  ENOENT: "it is not there",
  ENOTDIR: "it, or a part of its path, is not a directory",
  EEXIST: "it, or a part of its path, is not a directory",
  EISDIR: "there is a directory where a file should be",
  ELOOP: "its path goes round in circles of symbolic links",
  ENAMETOOLONG: "its path is too long",
};

/**
 * Says why a data directory cannot be used: `CONFIGURATION` when another path or other rights would
 * help, `STORAGE_FAILED` when the disk is to blame. A `ProglogError` stays what it is.
 */
export function directoryError(directory: string, cause: unknown): ProglogError {
  if (cause instanceof ProglogError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : WORDS[code];
  const reason = words === undefined ? message : `${words} (${message})`;
  return new ProglogError(
    words === undefined ? "STORAGE_FAILED" : "CONFIGURATION",
    `the data directory ${directory} cannot be used: ${reason}`,
    { cause, details: { directory, ...(code === undefined ? {} : { errno: code }) } },
  );
}
