import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { access, readdir, stat, unlink } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { assert, limits, ProglogError } from "../base/index.ts";
import { directoryError } from "./directory-error.ts";

/**
 * One process per data directory, without an addon and without `flock`.
 *
 * A claim is a Unix socket in the directory: the kernel stops listening when the process ends, in
 * whatever way, so a claim is alive exactly as long as its process, and whoever shares the directory
 * can ask it, from another network namespace too. Each claim has a name of its own
 * (`LOCK.<pid>.<random>.sock`), made before others are looked for: of two that come at once at least
 * one sees the other, and a dead claim can be removed without removing a live one by mistake, which
 * one common name would allow between the question and the removal. Two candidates that see each
 * other are told apart by their names: the first in order goes on, the other gives up.
 *
 * Where a file system cannot hold sockets, Linux's abstract sockets serve (one host and network
 * namespace), and on Windows a named pipe. Not for a directory that several hosts share.
 */
export interface DirectoryLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Whoever answered, or did not. */
interface Rival {
  readonly name: string;
  readonly pid: number | undefined;
  readonly host: string | undefined;
  /**
   * It has the lock (`holds`, also when it does not answer in time), or it is still finding out
   * (`asks`), or it hung up: it is giving up just now, or has too many askers.
   */
  readonly state: "holds" | "asks" | "hung up";
}

const CLAIM_FILE = /^LOCK\.(\d+)\.[0-9a-f]{16}\.sock$/;
/** Answers of `bind` where a file system knows no sockets. */
const NO_SOCKETS: readonly unknown[] = ["EOPNOTSUPP", "ENOTSUP", "EPERM", "ENOSYS"];

/**
 * Takes the lock of a directory, which must exist. Throws `LOCKED` with the holder's pid in the
 * message and in `details`, or `CONFIGURATION` when the directory cannot be used at all.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  try {
    if (process.platform === "win32") return await lockByName(directory);
    return await lockBySocketFile(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (process.platform !== "linux" || !NO_SOCKETS.includes(code)) {
      throw directoryError(directory, error);
    }
  }
  return lockByName(directory);
}

async function lockBySocketFile(directory: string): Promise<DirectoryLock> {
  const place = await openPlace(directory);
  try {
    const claim = await Claim.make((name) => place.socketPath(name));
    try {
      await settle(claim, place);
    } catch (error) {
      await claim.withdraw();
      throw error;
    }
    claim.holds = true;
    return lockOf(claim, () => place.close());
  } catch (error) {
    await place.close();
    throw error;
  }
}

/** Returns once this claim is the only one. */
async function settle(claim: Claim, place: Place): Promise<void> {
  for (let round = 1; ; round++) {
    const names = (await readdir(place.path)).filter((name) => CLAIM_FILE.test(name));
    const others = names.filter((name) => name !== claim.name);
    const asked = await Promise.all(others.map((name) => ask(place, name)));
    const rivals = asked.filter((rival) => rival !== undefined);
    const stronger = rivals.find(
      ({ name, state }) => state === "holds" || (state === "asks" && name < claim.name),
    );
    if (stronger !== undefined) throw locked(place.directory, stronger);
    if (rivals.length === 0 && names.includes(claim.name)) return;
    // Without a name: removed, by a rival, between its making and its first answer.
    if (!names.includes(claim.name)) throw locked(place.directory, rivals[0]);
    if (round === limits.lockRoundsMax) throw locked(place.directory, rivals[0]);
    await delay(limits.lockRoundMs);
  }
}

/** Asks a claim who it is; undefined, and removed, when its process is no more. */
async function ask(place: Place, name: string): Promise<Rival | undefined> {
  try {
    return rivalFrom(name, await answerOf(place.socketPath(name)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "ECONNREFUSED") return rivalFrom(name, NO_ANSWER);
    await unlink(join(place.path, name)).catch((failure: unknown) => {
      if ((failure as NodeJS.ErrnoException).code !== "ENOENT") throw failure;
    });
    return undefined;
  }
}

/** Without a word from itself a claim is known by the pid in its name. */
function rivalFrom(name: string, answer: Answer): Rival {
  const fields = /^proglog (\d+) (holds|asks) (.*)\n$/.exec(answer.text);
  const pid = Number(fields?.[1] ?? CLAIM_FILE.exec(name)?.[1] ?? NaN);
  const said = fields?.[2] === "asks" ? "asks" : "holds";
  return {
    name,
    pid: Number.isNaN(pid) ? undefined : pid,
    host: fields?.[3],
    state: fields === null && answer.inTime ? "hung up" : said,
  };
}

interface Answer {
  readonly text: string;
  /** False when we hung up: it was stopped, or busy, or went on and on. */
  readonly inTime: boolean;
}

const NO_ANSWER: Answer = { text: "", inTime: true };

function answerOf(socketPath: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let text = "";
    let inTime = true;
    const socket = createConnection(socketPath);
    const hangUp = (): void => {
      inTime = false;
      socket.destroy();
    };
    const timer = setTimeout(hangUp, limits.lockAnswerTimeoutMs);
    socket.setEncoding("latin1");
    socket.on("data", (more: string) => {
      text += more;
      if (text.length > limits.lockAnswerBytesMax) hangUp();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Reset after it was accepted: somebody is there.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve({ text, inTime });
    });
  });
}

/** A socket that answers whoever asks, and does not keep the process alive. */
class Claim {
  readonly name: string;
  holds = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(name: string) {
    this.name = name;
    this.#server = createServer((socket) => {
      this.#answer(socket);
    });
    this.#server.maxConnections = limits.lockConnectionsMax;
  }

  static async make(socketPath: (name: string) => string): Promise<Claim> {
    const claim = new Claim(`LOCK.${process.pid}.${randomBytes(8).toString("hex")}.sock`);
    const server = claim.#server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const path = socketPath(claim.name);
      // Open to all users, so that each can ask; but what is no file has no mode.
      const forAll = !path.startsWith("\0");
      const mode = { readableAll: forAll, writableAll: forAll };
      // Exclusive: not shared among the workers of a `cluster`.
      server.listen({ path, exclusive: true, ...mode }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // Running out of descriptors leaves a question without an answer, which means "alive".
    server.on("error", () => undefined);
    server.unref();
    return claim;
  }

  /** Closing removes the socket's file as well. */
  withdraw(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #answer(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    socket.setTimeout(limits.lockAnswerTimeoutMs, () => {
      socket.destroy();
    });
    socket.unref();
    socket.resume();
    socket.end(`proglog ${process.pid} ${this.holds ? "holds" : "asks"} ${hostname()}\n`, "latin1");
  }
}

/** A directory, and how its sockets are reached: a socket's path may have 107 bytes, a file's more. */
interface Place {
  readonly directory: string;
  /** The directory itself, by a short name. */
  readonly path: string;
  socketPath(name: string): string;
  close(): Promise<void>;
}

async function openPlace(directory: string): Promise<Place> {
  const descriptor = await promisify(fs.open)(directory, "r");
  const close = (): Promise<void> => promisify(fs.close)(descriptor);
  try {
    // Throws ENOTDIR where `open` let a file pass.
    await readdir(directory);
    const short = `/proc/self/fd/${descriptor}`;
    const hasProc = process.platform === "linux" && (await exists(short));
    const path = hasProc ? short : directory;
    return { directory, path, socketPath: (name) => socketPathIn(directory, path, name), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function socketPathIn(directory: string, path: string, name: string): string {
  const socketPath = join(path, name);
  // The system would cut it without a word, and the socket would lie elsewhere.
  const bytesMax = process.platform === "linux" ? 107 : 103;
  if (Buffer.byteLength(socketPath) <= bytesMax) return socketPath;
  const message = `the data directory ${directory} cannot be used: its path is too long for a socket`;
  throw new ProglogError("CONFIGURATION", message, { details: { directory } });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The lock as a name outside the file system, made of the directory's identity. */
export async function lockByName(directory: string): Promise<DirectoryLock> {
  try {
    const { dev, ino } = await stat(directory, { bigint: true });
    const name = `proglog-${dev}-${ino}`;
    const path = process.platform === "win32" ? `\\\\.\\pipe\\${name}` : `\0${name}`;
    const claim = await Claim.make(() => path).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      throw locked(directory, rivalFrom(name, await answerOf(path).catch(() => NO_ANSWER)));
    });
    claim.holds = true;
    return lockOf(claim, () => Promise.resolve());
  } catch (error) {
    throw directoryError(directory, error);
  }
}

function lockOf(claim: Claim, closePlace: () => Promise<void>): DirectoryLock {
  assert(claim.holds, "only the holder has a lock");
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => (released ??= claim.withdraw().then(closePlace));
  return { release, [Symbol.asyncDispose]: release };
}

function locked(directory: string, holder: Rival | undefined): ProglogError {
  const pid = holder?.pid;
  const host = holder?.host === hostname() ? undefined : holder?.host;
  const elsewhere = host === undefined ? "" : ` on ${host}`;
  const by = pid === undefined ? "another process" : `process ${pid}${elsewhere}`;
  const mine = pid === process.pid && host === undefined ? " (this very process)" : "";
  return new ProglogError("LOCKED", `the data directory ${directory} is in use by ${by}${mine}`, {
    details: {
      directory,
      ...(pid === undefined ? {} : { pid: String(pid) }),
      ...(host === undefined ? {} : { host }),
    },
  });
}
