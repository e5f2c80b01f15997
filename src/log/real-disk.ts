import * as fs from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Disk, DiskFile } from "./disk.ts";

/**
 * The operating system's disk, on Node's callback API: on the hot path (write, fdatasync, read) it
 * costs less than the promise one.
 */
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const rename = promisify(fs.rename);
const unlink = promisify(fs.unlink);
const readdir = promisify(fs.readdir);
const statfs = promisify(fs.statfs);
const mkdir = promisify(fs.mkdir);

const FLAGS = { read: "r", write: "r+", create: "wx+", replace: "w+" } as const;
const FILE_MODE = 0o640;

export const realDisk: Disk = {
  async open(path, mode) {
    return new RealFile(await open(path, FLAGS[mode], FILE_MODE));
  },
  list: (directory) => readdir(directory),
  async makeDirectory(directory) {
    await mkdir(directory, { recursive: true });
  },
  rename: (from, to) => rename(from, to),
  unlink: (path) => unlink(path),
  async syncDirectory(directory) {
    const descriptor = await open(directory, "r");
    try {
      await fsync(descriptor);
    } finally {
      await close(descriptor);
    }
  },
  async free(directory) {
    const { bavail, bsize } = await statfs(join(directory, "."));
    return bavail * bsize;
  },
};

class RealFile implements DiskFile {
  readonly #descriptor: number;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Goes on after short reads; ends at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        const left = into.length - done;
        fs.read(this.#descriptor, into, done, left, position + done, (error, count) => {
          if (error !== null) {
            reject(error);
            return;
          }
          done += count;
          if (count === 0 || done === into.length) resolve(done);
          else next();
        });
      };
      next();
    });
  }

  /** Goes on after short writes. */
  write(bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        const left = bytes.length - done;
        fs.write(this.#descriptor, bytes, done, left, position + done, (error, count) => {
          if (error !== null) {
            reject(error);
            return;
          }
          done += count;
          if (done === bytes.length) resolve();
          else next();
        });
      };
      next();
    });
  }

  truncate(length: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#descriptor, length, (error) => (error ? reject(error) : resolve()));
    });
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve()));
    });
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => (error ? reject(error) : resolve(stats.size)));
    });
  }

  close(): Promise<void> {
    return close(this.#descriptor);
  }
}
