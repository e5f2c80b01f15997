import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { isRoot } from "../../support/require.ts";

/** Runs a program that has to succeed; answers what it printed. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Whether this process may mount file systems: root in a container often may not. */
export function canMount(): boolean {
  if (!isRoot()) return false;
  const folder = mkdtempSync(join(tmpdir(), "proglog-mount-"));
  try {
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
    run("umount", folder);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Mounts something on a new folder; it is unmounted with the test. */
export function mountFor(t: TestContext, ...args: readonly string[]): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-mount-")));
  const point = join(folder, "mounted");
  mkdirSync(point);
  let mounted = false;
  t.after(() => {
    if (mounted) run("umount", point);
    rmSync(folder, { recursive: true });
  });
  run("mount", ...args, point);
  mounted = true;
  return point;
}

/** A file system in memory, of so many bytes. */
export function mountTmpfs(t: TestContext, sizeBytes: number): string {
  return mountFor(t, "-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs");
}

/** Takes all that is free on a file system but so many bytes; answers the file that did. */
export function fill(mounted: string, freeBytes: number): string {
  const ballast = join(mounted, "ballast");
  const { bavail, bsize } = statfsSync(mounted);
  try {
    writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - freeBytes)));
  } catch (error) {
    // A server that writes meanwhile took the rest: full is full.
    if (freeBytes > 0 || (error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
  return ballast;
}
